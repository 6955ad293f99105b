"""TOML that people write by hand: parse it, and say on which line a key or a mistake stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

_LINE_IN_MESSAGE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_TABLE = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?")
_NAME = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEY = re.compile(rf"^\s*({_NAME}(?:\s*\.\s*{_NAME})*)\s*=")
_PART = re.compile(_NAME)


class TomlSyntaxError(ValueError):
    """Text that is no TOML.

    Args:
        message: What is wrong, without the position.
        line: 1-based line in the text.
    """

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def parse_toml(text: str) -> dict[str, Any]:
    """Parse TOML.

    Raises:
        TomlSyntaxError: The text is no TOML.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _LINE_IN_MESSAGE.search(message)
        if found is None:
            raise TomlSyntaxError(message, 1) from error
        line = int(found[1]) if found[1] else max(1, len(text.splitlines()))
        raise TomlSyntaxError(message[: found.start()], line) from error


def line_of(text: str, path: Sequence[str]) -> int | None:
    """Find the line on which a key or table is written.

    Args:
        text: Valid TOML.
        path: The key with the names of the tables around it.

    Returns:
        The 1-based line of the key, else of the nearest table around it; None if neither
        is written out.
    """
    wanted = tuple(path)
    lines = _written_lines(text)
    for length in range(len(wanted), 0, -1):
        if wanted[:length] in lines:
            return lines[wanted[:length]]
    return None


def _written_lines(text: str) -> dict[tuple[str, ...], int]:
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(text.splitlines(), start=1):
        header = _TABLE.match(line)
        if header:
            table = _parts(header[1])
            lines.setdefault(table, number)
            continue
        key = _KEY.match(line)
        if key:
            lines.setdefault((*table, *_parts(key[1])), number)
    return lines


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
