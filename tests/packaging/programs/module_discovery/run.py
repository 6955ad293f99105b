"""A package finds its modules by looking at its own path."""

import pkgutil

import zoo
from zoo import cats, dogs  # noqa: F401
from zoo.birds import owl  # noqa: F401

print([(found.name, found.ispkg) for found in pkgutil.iter_modules(zoo.__path__, "zoo.")])
print([found.name for found in pkgutil.walk_packages(zoo.__path__, "zoo.")])
print(zoo.sounds())
