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
    names = sorted(set(known))
    if not names:
        return None
    close = nearest(word, names)
    if close is not None:
        return f"Did you mean {close!r}?"
    shown = ", ".join(names[:_LISTED])
    return f"Known: {shown}{', …' if len(names) > _LISTED else ''}."


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Find the known word that an unknown one is most like; None where none is.

    Args:
        word: What was written.
        known: What would have been understood.
    """
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, sorted(set(known)), n=1, cutoff=0.6)), None)
