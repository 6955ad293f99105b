from dataclasses import dataclass


@dataclass(frozen=True)
class Crate:
    content: str
