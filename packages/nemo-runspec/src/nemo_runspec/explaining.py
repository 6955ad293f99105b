"""What other programs print when they fail, told apart so that it can be said with its cure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KnownFailure:
    """A failure of another program that is understood.

    Attributes:
        pattern: What it prints then.
        what: A sentence; whoever says it fills in the names in braces.
        hint: What to do about it, likewise.
    """

    pattern: re.Pattern[str]
    what: str
    hint: str


def recognize(
    known: Iterable[KnownFailure], printed: str
) -> tuple[KnownFailure, re.Match[str]] | None:
    """Find out which failure it was; of several the first that is listed counts.

    Args:
        known: The failures that are understood.
        printed: All that the program printed.

    Returns:
        The failure, and what tells of it; None where none is understood.
    """
    for failure in known:
        match = failure.pattern.search(printed)
        if match is not None:
            return failure, match
    return None


def line_of(match: re.Match[str]) -> str:
    """The line that something was found in, without its full stop."""
    start = match.string.rfind("\n", 0, match.start()) + 1
    return match.string[start:].partition("\n")[0].strip().rstrip(".\r")


def last_line(printed: str) -> str | None:
    """The last line of what was printed, without its full stop; None where nothing was."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else None
