"""Compare what a page shows with what a command printed."""

from __future__ import annotations

import re
from pathlib import Path

HOME = "~/nemotron"
_ELISION = "…"
_RULES = [
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"sha256:[0-9a-f]{8,64}…?"), "sha256:…"),
    (re.compile(r"\b\d{8}T\d{6}Z-[0-9a-f]{6}\b"), "RUN"),
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?(?: ?[+-]\d\d:?\d\d|Z)?"), "DATE"),
    (re.compile(r"\b[0-9a-f]{16}(?:[0-9a-f]{16})?(?:[0-9a-f]{8})?\b"), "ID"),
    (re.compile(r"\b\d[\d,]*(?:\.\d+)? s\b"), "TIME"),
    (re.compile(r"[─━-]{3,}"), "─"),
    (re.compile(r"[ \t]+"), " "),
]


def normalise(text: str, folder: Path) -> list[str]:
    """Reduce a text to what stays the same from run to run, line by line.

    Args:
        text: What a command printed, or what a page shows.
        folder: The folder that the command ran in; pages call it ``~/nemotron``.
    """
    for place in (folder.resolve(), folder):
        text = text.replace(str(place), HOME)
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return [line.strip() for line in text.strip().splitlines()]


def first_difference(shown: str, printed: str, folder: Path) -> str | None:
    """Say where a page's output departs from the real one; None where it does not.

    In a page ``…`` stands for any text, and on a line of its own for any lines.
    """
    actual = normalise(printed, folder)
    pattern = re.compile("".join(map(_pattern, normalise(shown, folder))))
    if pattern.fullmatch("".join(f"{line}\n" for line in actual)):
        return None
    return "the page shows other output than this:\n" + "\n".join(actual)


def _pattern(line: str) -> str:
    if line == _ELISION:
        return r"(?:.*\n)*?"
    return ".*?".join(map(re.escape, line.split(_ELISION))) + r"\n"
