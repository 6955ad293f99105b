"""Write plain text so that OmegaConf reads it back as that text."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from omegaconf import OmegaConf

_INTERPOLATION = re.compile(r"(\\*)\$\{")
_MISSING = re.compile(r"\\*\?\?\?")
_BEFORE_QUOTE = re.compile(r"(\\+)(?='|\Z)")


def escape(text: str) -> str:
    """Escape a text that holds no interpolation, so that loading it gives it back."""
    escaped = _INTERPOLATION.sub(_escape_opening, text)
    if _MISSING.fullmatch(text) and _reads_escaped_missing():
        return f"\\{escaped}"
    return escaped


def escape_values(value: Any) -> Any:
    """Escape every text in plain mappings and lists; tuples become lists."""
    if isinstance(value, dict):
        return {key: escape_values(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [escape_values(item) for item in value]
    return escape(value) if isinstance(value, str) else value


def quote(text: str) -> str:
    """Quote a text for use as a resolver's argument."""
    escaped = _INTERPOLATION.sub(_escape_opening, text)
    doubled = _BEFORE_QUOTE.sub(r"\1\1", escaped)
    return "'" + doubled.replace("'", "\\'") + "'"


def _escape_opening(match: re.Match[str]) -> str:
    return match[1] * 2 + "\\${"


@cache
def _reads_escaped_missing() -> bool:
    """OmegaConf 2.4 reads an escaped ``???`` as that text; 2.3 has no way to write it."""
    return bool(OmegaConf.create({"text": "\\???"})["text"] == "???")
