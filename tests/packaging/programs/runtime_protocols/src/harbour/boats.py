from typing import Protocol, runtime_checkable


@runtime_checkable
class Carrier(Protocol):
    def sail(self) -> str: ...


class Ferry:
    def sail(self):
        return "sailing"
