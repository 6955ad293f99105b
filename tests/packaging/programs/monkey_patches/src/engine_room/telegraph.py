from engine_room import boiler

_original = boiler.pressure


def pressure():
    return _original() * 5


def full_ahead():
    boiler.pressure = pressure


def stop():
    boiler.pressure = _original
