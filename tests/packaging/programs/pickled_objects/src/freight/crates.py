import enum
from dataclasses import dataclass


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass
class Crate:
    content: str
    colour: Colour

    @dataclass
    class Label:
        text: str


class LostError(Exception):
    def __init__(self, what, count):
        super().__init__(f"{count} of {what}")
        self.what, self.count = what, count

    def __reduce__(self):
        return type(self), (self.what, self.count)


def weigh(crate):
    return len(crate.content)
