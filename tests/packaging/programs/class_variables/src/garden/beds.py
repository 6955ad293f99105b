from __future__ import annotations

from dataclasses import KW_ONLY as Marker
from dataclasses import dataclass
from typing import ClassVar as Shared


@dataclass
class Bed:
    name: str
    count: Shared[int] = 5
    _: Marker
    size: int = 1
