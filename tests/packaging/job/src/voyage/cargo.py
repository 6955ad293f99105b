"""Things that are pickled, and that fail."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Crate:
    weight: int
    colour: Colour = Colour.RED
    inside: tuple[Crate, ...] = field(default=())


class LostError(Exception):
    def __init__(self, crate: Crate) -> None:
        super().__init__(crate)
        self.crate = crate


_loaded = 0


def load(crate: Crate) -> Crate:
    global _loaded
    _loaded += 1
    if crate.weight < 0:
        raise LostError(crate)
    return Crate(crate.weight * 10, Colour.BLUE, (crate,))


def loaded() -> int:
    return _loaded
