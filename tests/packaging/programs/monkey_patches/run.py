"""One module replaces a function of another, which the other's own callers notice."""

from engine_room import boiler, telegraph
from engine_room.tuning import untuned

print(boiler.run(), untuned())
telegraph.full_ahead()
print(boiler.run(), untuned())
telegraph.stop()
print(boiler.run(), untuned())
