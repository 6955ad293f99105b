"""The "did you mean" part of an error message."""

from __future__ import annotations

from collections.abc import Iterable

_LISTED = 12


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Name the known word nearest to an unknown one, else the known words.

    Args:
        word: What was written.
        known: What would have been understood.

    Returns:
        One sentence, or None where nothing is known.
    """
    from difflib import get_close_matches

    names = sorted(set(known))
    if not names:
        return None
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]!r}?"
    shown = ", ".join(names[:_LISTED])
    return f"Known: {shown}{', …' if len(names) > _LISTED else ''}."
