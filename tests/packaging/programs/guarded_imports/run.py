"""Imports that may fail are tried, and replaced by what stands in for them."""

from kitchen import stove
from kitchen.pantry import FOUND, REASONS

print(stove.heat(), FOUND)
for reason in REASONS:
    print(reason)
