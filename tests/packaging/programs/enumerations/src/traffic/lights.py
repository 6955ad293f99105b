from enum import StrEnum, IntEnum, auto, global_enum


class Signal(StrEnum):
    GO = auto()
    STOP = auto()

    @classmethod
    def _missing_(cls, value):
        return cls.STOP


@global_enum
class Lamp(IntEnum):
    RED = 1
    GREEN = 2
