"""Text that a terminal shows and does not obey."""

from __future__ import annotations

import unicodedata

_HIDDEN_CATEGORIES = ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable(text: str, *, keep: str = "") -> str:
    """Spell out what is no visible text: escape sequences, line breaks, lone surrogates.

    Args:
        text: Any text, whoever wrote it.
        keep: Characters that stay as they are.
    """
    if text.isprintable():
        return text
    return "".join(one if one in keep else _spelt(one) for one in text)


def _spelt(character: str) -> str:
    if unicodedata.category(character) not in _HIDDEN_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode()
