"""A facade reads a literal table of exports, and imports their owners when asked."""

import sys

import facade_of
from facade_of import build

print("facade_of.builders" in sys.modules, build("wall"))
print("facade_of.painters" in sys.modules, facade_of.paint("wall"), dir(facade_of))
print("facade_of.painters" in sys.modules)
