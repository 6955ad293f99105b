"""What the first comment of a configuration says of it; nothing is parsed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

_NO_SUMMARY = ("yaml-language-server:", "SPDX-", "Copyright")


def config_summary(file: Path) -> str:
    """The first sentence of the comment that a configuration begins with; empty without one."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return _first_sentence(_comment(stream))
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def _comment(lines: Iterable[str]) -> str:
    """The first paragraph of the comment that a file begins with."""
    found: list[str] = []
    for line in lines:
        comment = line.strip()
        text = comment.lstrip("#").strip()
        if comment and not comment.startswith("#"):
            break
        if text and not text.startswith(_NO_SUMMARY):
            found.append(text)
        elif found:
            break
    return " ".join(found)


def _first_sentence(text: str) -> str:
    first, stop, rest = text.partition(". ")
    return f"{first}." if stop and rest else text
