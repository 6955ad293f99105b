"""A folder without `__init__.py` inside a package is a package too."""

from castle.towers.east import view
from castle.towers import west

print(view(), west.__name__, west.__package__, type(west.castle.towers).__name__)
print(west.castle.towers.__spec__.origin, west.castle.towers.__spec__.loader is None)
