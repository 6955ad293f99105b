from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Letter:
    stamp: Stamp


@dataclass
class Stamp:
    value: int
