"""A package has its submodules as attributes once they were imported, and not before."""

import solar

print(hasattr(solar, "planets"), solar.names())

import solar.planets.inner  # noqa: E402

print(hasattr(solar, "planets"), solar.names(), solar.planets.inner.MERCURY)

import solar.planets.outer as far  # noqa: E402

print(far.NEPTUNE, solar.planets.outer is far)
del solar.planets.outer
from solar.planets import outer  # noqa: E402

print(outer is far, hasattr(solar.planets, "outer"))
