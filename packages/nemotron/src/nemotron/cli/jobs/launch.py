"""What a command line asks for: with which profile a recipe runs, and who waits for it."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

Mode: TypeAlias = Literal["run", "batch", "stage"]

MODES: tuple[Mode, ...] = ("run", "batch", "stage")


class Launch(NamedTuple):
    """A way to run a recipe.

    Attributes:
        mode: ``run`` waits for the job, ``batch`` does not, ``stage`` submits none.
        profile: The profile's name in env.toml.
    """

    mode: Mode
    profile: str
