"""How counts and sizes are spelt for people."""

from __future__ import annotations

_STEP = 1024


def show_count(number: int, noun: str) -> str:
    """Spell a number of things: ``1 file``, ``1,200 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_size(size_bytes: float) -> str:
    """Spell a size: ``1.5 MiB``."""
    if size_bytes < _STEP:
        return show_count(int(size_bytes), "byte")
    for unit in ("KiB", "MiB", "GiB"):
        size_bytes /= _STEP
        if size_bytes < _STEP:
            return f"{size_bytes:.1f} {unit}"
    size_bytes /= _STEP
    return f"{size_bytes:.1f} TiB"
