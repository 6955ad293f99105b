"""Enumerations and match statements name their members by modules."""

from traffic import lights
from traffic.crossing import Signal, decide

print([decide(signal) for signal in (*lights.Signal, *Signal)])
print(lights.Signal.GO == Signal.GO, lights.Signal.GO, repr(Signal.GO | Signal.SLOW))
print(lights.Signal.__module__, Signal["GO"].name, lights.Signal(2))
