import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Parcel:
    content: str
    weight: int


class LostParcel(Exception):
    def __init__(self, parcel):
        super().__init__(parcel)
        self.parcel = parcel


def weighed(parcel):
    if parcel.weight < 0:
        raise LostParcel(parcel)
    return f"{parcel.content} of {parcel.weight}"


def hook():
    """What the program has every worker of its own do first."""
    os.environ["CONVOY_HOOKED"] = __name__
