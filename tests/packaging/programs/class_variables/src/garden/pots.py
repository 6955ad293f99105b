from __future__ import annotations

from dataclasses import InitVar as Marker
from dataclasses import dataclass

Shared = list


@dataclass
class Pot:
    name: str
    count: Shared[int]
    size: Marker[int]

    def __post_init__(self, size):
        self.count += size
