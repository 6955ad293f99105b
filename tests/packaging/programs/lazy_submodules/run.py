"""A package imports its submodules by the name of the attribute that is asked for."""

import sys

import attic
from attic import chest

print(chest.inside(), "attic.trunk" in sys.modules)
print(attic.trunk.inside(), "attic.trunk" in sys.modules, attic.trunk is sys.modules["attic.trunk"])
print(sorted(attic.__all__), hasattr(attic, "spider"))
