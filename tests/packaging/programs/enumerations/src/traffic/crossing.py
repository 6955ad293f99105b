import enum

from traffic import lights


class Signal(enum.Flag):
    GO = 1
    SLOW = 2


def decide(signal):
    match signal:
        case lights.Signal.GO:
            return f"drive {lights.GREEN!r}"
        case Signal.GO:
            return "walk"
        case lights.Signal() as other:
            return f"stop {other}"
        case _:
            return "wait"
