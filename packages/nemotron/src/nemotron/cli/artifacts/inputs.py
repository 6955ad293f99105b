"""How raw inputs are shown to people."""

from __future__ import annotations

from pathlib import Path


def show_input(uri: str, revision: str | None) -> str:
    """Spell a raw input with its revision; a path below the working directory is shortened."""
    return f"{_relative(uri)}  {revision or '(no digest recorded)'}"


def _relative(uri: str) -> str:
    path = Path(uri)
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else uri
