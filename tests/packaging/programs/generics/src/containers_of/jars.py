from typing import Generic, Protocol, TypeVar, runtime_checkable

from .boxes import Box

T = TypeVar("T")


@runtime_checkable
class Opens(Protocol[T]):
    def open(self) -> T: ...


class Jar(Box[int], Generic[T]):
    def open(self) -> T:
        return self.content
