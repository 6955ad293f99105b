from typing import Generic, TypeVar

T = TypeVar("T", bound="int | str")


class Box(Generic[T]):
    def __init__(self, content: T) -> None:
        self.content = content


Numbers = dict[str, Box[int]]


def unpack(box: "Box[T]") -> "T":
    return box.content
