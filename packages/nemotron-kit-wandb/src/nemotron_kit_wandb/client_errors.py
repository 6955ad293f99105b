"""What the client's errors say, as the part of a sentence."""

from __future__ import annotations


def first_line(error: Exception) -> str:
    """The first line of an error's text, without its full stop; its kind where it has none.

    Args:
        error: Whatever the client raised.
    """
    return str(error).partition("\n")[0].rstrip(".") or type(error).__name__
