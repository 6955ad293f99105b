"""Whether NeMo-RL is installed, and what to say where it does not fit."""

from __future__ import annotations

from importlib.util import find_spec

from omegaconf import DictConfig

from nemo_runspec.config.image import described_container
from nemo_runspec.errors import ExecutionError

WORKS = "Releases 0.2.1 to 0.7 work, and the source of 2026-08; the recipe's container brings one."


def is_installed() -> bool:
    """Tell whether NeMo-RL can be imported from here; it is not imported."""
    try:
        return find_spec("nemo_rl") is not None
    except ValueError:
        return False


def require_framework(config: DictConfig) -> None:
    """Say where a recipe runs, where NeMo-RL is not installed.

    Args:
        config: The configuration; ``run.env.container`` names the image.

    Raises:
        ExecutionError: It is not installed.
    """
    if is_installed():
        return
    raise ExecutionError(
        f"NeMo-RL is not installed here; this recipe runs in {described_container(config)}.",
        hint=f"Send it there with --run PROFILE. {WORKS}",
    )
