from __future__ import annotations

import typing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import bits_that_nobody_has as bits

    from workshop.timber import Wood

if typing.TYPE_CHECKING:
    CHECKING = True
else:
    from workshop.pegs import Peg

    CHECKING = False

Bit = str


class Drill:
    bit: Bit
    peg: Peg


def bore(wood: Wood, with_: bits.Bit) -> None:
    """Hints stay text."""
