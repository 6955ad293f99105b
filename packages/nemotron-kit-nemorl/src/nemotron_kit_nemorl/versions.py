"""Whether NeMo-RL is installed, and what to say where it does not fit."""

from __future__ import annotations

from importlib.util import find_spec

WORKS = "Releases 0.2.1 to 0.7 work, and the source of 2026-08; the recipe's container brings one."


def is_installed() -> bool:
    """Tell whether NeMo-RL can be imported from here; it is not imported."""
    try:
        return find_spec("nemo_rl") is not None
    except ValueError:
        return False
