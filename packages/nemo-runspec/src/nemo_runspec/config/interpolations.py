"""Look into a text with OmegaConf's own grammar: which resolvers and keys it names, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from omegaconf.grammar.gen.OmegaConfGrammarParser import OmegaConfGrammarParser
from omegaconf.grammar_parser import parse

_Node = OmegaConfGrammarParser.InterpolationNodeContext
_Resolver = OmegaConfGrammarParser.InterpolationResolverContext
_Interpolation = OmegaConfGrammarParser.InterpolationContext
_ConfigKey = OmegaConfGrammarParser.ConfigKeyContext
_Sequence = OmegaConfGrammarParser.SequenceContext
_Element = OmegaConfGrammarParser.ElementContext

_KEY_PART = re.compile(r"[^.\[\]]+")
_KEY_ESCAPE = re.compile(r"\\([\\.\[\]:=])")

Tree = Any
"""A parse tree of OmegaConf's grammar, which has no types."""


def parse_text(text: str) -> Tree:
    """Parse a configuration's text."""
    return parse(text)


def inside_out(tree: Tree) -> Iterator[Tree]:
    """Go through a tree's interpolations, the inner ones before those that hold them."""
    for child in _children(tree):
        yield from inside_out(child)
    if isinstance(tree, (_Node, _Resolver)):
        yield tree


def outermost(tree: Tree) -> Iterator[Tree]:
    """Go through a tree's interpolations, the outer ones before those that they hold."""
    if isinstance(tree, (_Node, _Resolver)):
        yield tree
    for child in _children(tree):
        yield from outermost(child)


def is_reference(tree: Tree) -> bool:
    """Tell ``${a.b}`` from ``${resolver:…}``."""
    return isinstance(tree, _Node)


def whole_reference(tree: Tree) -> Tree | None:
    """Take the reference out of a text that is nothing but one ``${a.b}``."""
    text = tree.getChild(0)
    if text.getChildCount() != 1 or not isinstance(text.getChild(0), _Interpolation):
        return None
    inner = text.getChild(0).getChild(0)
    return inner if is_reference(inner) else None


def resolver_name(tree: Tree) -> Tree:
    """Give the part of a resolver's interpolation that names it."""
    return tree.getChild(1)


def first_argument(tree: Tree) -> Tree | None:
    """Give a resolver's first argument; None where it has none."""
    sequence = tree.getChild(3)
    if not isinstance(sequence, _Sequence):
        return None
    first = sequence.getChild(0)
    return first if isinstance(first, _Element) else None


def is_static(tree: Tree) -> bool:
    """Tell whether a tree holds no interpolation."""
    return next(inside_out(tree), None) is None


def span(tree: Tree) -> tuple[int, int]:
    """Say where a tree stands in the text: first character, and the one after the last."""
    return tree.start.start, tree.stop.stop + 1


def key_pieces(tree: Tree) -> Iterator[Tree | str]:
    """Take a reference apart: dots, brackets and fixed names as text, computed ones as trees."""
    for child in tree.getChildren():
        if not isinstance(child, _ConfigKey):
            text = child.getText()
            if set(text) <= set(".[]"):
                yield text
        elif is_static(child):
            name = _KEY_ESCAPE.sub(r"\1", child.getText())
            yield f"\0{name}\0"
        else:
            yield child


def split_path(key: str) -> tuple[int, tuple[str, ...]]:
    """Split a key into its leading dots and its parts; text between NULs is one part."""
    dots = len(key) - len(key.lstrip("."))
    parts: list[str] = []
    for index, piece in enumerate(key.split("\0")):
        parts += [piece] if index % 2 else _KEY_PART.findall(piece)
    return dots, tuple(parts)


def _children(tree: Tree) -> Iterator[Tree]:
    if hasattr(tree, "getChildren"):
        yield from tree.getChildren()
