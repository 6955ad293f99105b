"""Read a Markdown page: its fenced blocks, links, headings and inline code."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)")
_HEADING = re.compile(r"#{1,6}\s+(?P<text>.+?)\s*#*")
_ANCHOR = re.compile(r"<a\s+(?:id|name)=\"(?P<name>[^\"]+)\"")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)(?:\s+\"[^\"]*\")?\)")
_CODE = re.compile(r"(?<!`)(?P<ticks>`+)(?!`)(?P<text>.+?)(?<!`)(?P=ticks)(?!`)")
_NOT_IN_SLUG = re.compile(r"[^\w\- ]")


class BrokenPageError(AssertionError):
    """A page says something that does not hold."""


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        line: The line of the page on which its content begins, 1-based.
        language: The first word of the info string.
        options: The other words: ``output``, or ``key=value``.
        text: The content, without the indentation of the fence.
    """

    line: int
    language: str
    options: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class Page:
    """A Markdown file.

    Attributes:
        path: The file.
        text: Its content.
    """

    path: Path
    text: str

    @classmethod
    def read(cls, path: Path) -> Page:
        return cls(path, path.read_text(encoding="utf-8"))

    @cached_property
    def blocks(self) -> list[Block]:
        return list(self._read_blocks())

    @cached_property
    def prose(self) -> list[str]:
        """The lines of the page, those of blocks empty."""
        lines = self.text.splitlines()
        for block in self.blocks:
            first, last = block.line - 2, block.line - 1 + block.text.count("\n")
            lines[first : last + 1] = [""] * (last + 1 - first)
        return lines

    @cached_property
    def anchors(self) -> set[str]:
        """What ``#anchor`` may name, by GitHub's rules."""
        found: dict[str, int] = {}
        named: set[str] = set()
        for line in self.prose:
            named.update(match["name"] for match in _ANCHOR.finditer(line))
            heading = _HEADING.fullmatch(line)
            if heading:
                slug = slug_of(heading["text"])
                found[slug] = found.get(slug, -1) + 1
                named.add(slug if found[slug] == 0 else f"{slug}-{found[slug]}")
        return named

    def links(self) -> Iterator[tuple[int, str]]:
        text = _CODE.sub(_without_brackets, "\n".join(self.prose))
        for match in _LINK.finditer(text):
            yield text.count("\n", 0, match.start()) + 1, match["target"]

    def inline_code(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self.prose, start=1):
            for match in _CODE.finditer(line):
                yield number, match["text"].strip()

    def at(self, line: int) -> str:
        return f"{self.path}:{line}"

    def _read_blocks(self) -> Iterator[Block]:
        lines = self.text.splitlines()
        number = 0
        while number < len(lines):
            opening = _FENCE.fullmatch(lines[number])
            number += 1
            if opening is None:
                continue
            start = number
            while number < len(lines) and not _closes(lines[number], opening["fence"]):
                number += 1
            if number == len(lines):
                raise BrokenPageError(f"{self.at(start)}: the block is never closed")
            yield self._block(opening, start + 1, lines[start:number])
            number += 1

    def _block(self, opening: re.Match[str], line: int, content: list[str]) -> Block:
        words = opening["info"].split()
        if not words:
            raise BrokenPageError(f"{self.at(line - 1)}: the block names no language")
        options = dict(word.partition("=")[::2] for word in words[1:])
        text = "\n".join(row.removeprefix(opening["indent"]) for row in content)
        return Block(line, words[0], options, textwrap.dedent(text) + "\n" if text else "")


def slug_of(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return _NOT_IN_SLUG.sub("", plain.lower()).replace(" ", "-")


def _closes(line: str, fence: str) -> bool:
    text = line.strip()
    return text.startswith(fence) and not text.strip(fence[0])


def _without_brackets(code: re.Match[str]) -> str:
    """Brackets inside code are no link's; code inside a link's brackets stays."""
    return re.sub(r"[\[\]()]", " ", code[0])
