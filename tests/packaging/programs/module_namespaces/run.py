"""A module's names are its own: globals(), vars(), dir() and eval see those and no others."""

NAMES = sorted(globals())

from town import council
from town.hall import names, value_of

print(NAMES)
print(names(), [name for name in dir(council) if not name.startswith("__")])
print(value_of("SEATS * 2"), council.run("SEATS = 5"), council.SEATS, value_of("SEATS"))
print(sorted(name for name in vars(council) if name.startswith("__") and name != "__cached__"))
