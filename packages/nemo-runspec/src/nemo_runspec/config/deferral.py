"""Decide which values of a job must be left for the target to resolve."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.basecontainer import BaseContainer

from nemo_runspec.config.interpolations import (
    Tree,
    first_argument,
    inside_out,
    is_reference,
    is_static,
    key_pieces,
    parse_text,
    resolver_name,
    split_path,
    whole_reference,
)
from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean

ART = "art"
ENV = "oc.env"
_LEFT_TO_THE_TARGET = frozenset({ART, ENV})
_READ_A_KEY = frozenset({"oc.select", "oc.deprecated", "oc.dict.keys", "oc.dict.values"})
_MISSING = "???"

Path = tuple[Any, ...]


class Deferral:
    """Which values of one configuration depend on artifacts or on the environment.

    Args:
        job: The configuration.
        source: The file that it comes from, for messages.
        left: The resolvers whose values are left to the target.
    """

    def __init__(
        self, job: DictConfig, source: str | None, left: frozenset[str] = _LEFT_TO_THE_TARGET
    ) -> None:
        self.job = job
        self._left = left
        self.raw = OmegaConf.to_container(job, resolve=False)
        self._source = source
        self._known: dict[Path, bool] = {}

    def is_literal(self, text: str) -> bool:
        """Tell whether a text holds escapes only and no interpolation."""
        return is_static(parse_text(text))

    def of(self, path: Path) -> bool:
        """Tell whether the value at a path depends on the target.

        Raises:
            ConfigError: A resolver that it names is unknown.
        """
        if path not in self._known:
            # A circle is for OmegaConf to report; it ends here because of this first answer.
            self._known[path] = False
            self._known[path] = self._depends(path, self.at(path))
        return self._known[path]

    def in_tree(self, tree: Tree, path: Path) -> bool:
        """Tell the same for a part of the text at a path."""
        return any(self._reads_target(part, path) for part in inside_out(tree))

    def at(self, path: Path) -> Any:
        """Give the raw value at a path."""
        value: Any = self.raw
        for key in path:
            value = value[key]
        return value

    def resolve(self, path: Path) -> Any:
        """Resolve the value at a path into plain values."""
        value = self._container(path)[path[-1]]
        if isinstance(value, Container):
            return OmegaConf.to_container(value, resolve=True)
        return value

    def evaluate(self, tree: Tree, path: Path) -> str:
        """Resolve a part of the text at a path that does not depend on the target."""
        container = self._container(path)
        return str(container.resolve_parse_tree(tree, node=container, key=path[-1]))

    def name_of(self, tree: Tree, path: Path) -> str:
        """Name the resolver of an interpolation.

        Raises:
            ConfigError: There is no such resolver.
        """
        name = self.evaluate(resolver_name(tree), path)
        if name not in _LEFT_TO_THE_TARGET and not OmegaConf.has_resolver(name):
            known = {*_LEFT_TO_THE_TARGET, *getattr(BaseContainer, "_resolvers", {})}
            raise ConfigError(
                f"'{_dotted(path)}' uses the resolver '{name}', which is not registered.",
                where=self._source,
                hint=" ".join((did_you_mean(name, known) or "", _listed(known))).strip(),
            )
        return name

    def _depends(self, path: Path, raw: Any) -> bool:
        if isinstance(raw, dict):
            return any(self.of((*path, key)) for key in raw)
        if isinstance(raw, list):
            return any(self.of((*path, at)) for at in range(len(raw)))
        if not isinstance(raw, str):
            return False
        return raw == _MISSING or ("${" in raw and self.in_tree(parse_text(raw), path))

    def _reads_target(self, tree: Tree, path: Path) -> bool:
        if is_reference(tree):
            return self._refers_to_target("".join(self._key(tree, path)), path)
        name = self.name_of(tree, path)
        if name in self._left:
            return True
        argument = first_argument(tree)
        if name not in _READ_A_KEY or argument is None:
            return False
        return self._refers_to_target(self.evaluate(argument, path), path)

    def _key(self, tree: Tree, path: Path) -> list[str]:
        return [
            piece if isinstance(piece, str) else self.evaluate(piece, path)
            for piece in key_pieces(tree)
        ]

    def _refers_to_target(self, key: str, path: Path) -> bool:
        dots, parts = split_path(key)
        start = path[:-dots] if dots else ()
        return self._follows(start, parts)

    def _follows(self, start: Path, parts: Sequence[str]) -> bool:
        """Walk along a key; a reference on the way is followed, anything computed is not."""
        here = start
        for index, part in enumerate(parts):
            raw = self.at(here)
            if isinstance(raw, str) and "${" in raw:
                return self._redirected(here, raw, parts[index:])
            step = _step(raw, part)
            if step is None:
                return False
            here = (*here, step[0])
        return self.of(here)

    def _redirected(self, here: Path, raw: str, rest: Sequence[str]) -> bool:
        tree = parse_text(raw)
        reference = whole_reference(tree)
        if reference is None or self._is_computed_there(reference, here):
            return self.of(here)
        dots, parts = split_path("".join(self._key(reference, here)))
        return self._follows(here[:-dots] if dots else (), (*parts, *rest))

    def _is_computed_there(self, reference: Tree, path: Path) -> bool:
        pieces = [piece for piece in key_pieces(reference) if not isinstance(piece, str)]
        return any(self.in_tree(piece, path) for piece in pieces)

    def _container(self, path: Path) -> Any:
        return reduce(lambda node, key: node[key], path[:-1], self.job)


def _step(raw: Any, part: str) -> tuple[Any] | None:
    if isinstance(raw, dict):
        return next(((key,) for key in raw if str(key) == part), None)
    if isinstance(raw, list) and part.isdecimal() and int(part) < len(raw):
        return (int(part),)
    return None


def _dotted(path: Path) -> str:
    return ".".join(str(part) for part in path)


def _listed(names: set[str]) -> str:
    return f"Registered: {', '.join(sorted(names))}."
