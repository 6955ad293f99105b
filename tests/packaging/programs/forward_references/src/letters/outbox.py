from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass
class Letter:
    stamp: Stamp
    total: t.ClassVar[int] = 7


@dataclass
class Stamp:
    price: int
