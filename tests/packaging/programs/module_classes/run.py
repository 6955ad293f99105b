"""A module gives itself another class, and another puts an object in its own place."""

import sys

import costume
from masks import wear
from masks.plain import COLOUR

print(costume("cat"), costume.size, type(costume).__name__, costume.__name__)
print(wear.face, wear.__class__.__name__, type(sys.modules["masks.wear"]).__name__, COLOUR)
