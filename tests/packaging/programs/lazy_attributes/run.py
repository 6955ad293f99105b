"""A package loads its modules when a name of theirs is asked for, and not before."""

import sys

import library


def loaded():
    return sorted(name for name in sys.modules if name.partition(".")[0] == "library")


print(loaded(), dir(library))
print(library.read(), loaded())
from library import shelve  # noqa: E402

print(shelve(), loaded())
try:
    library.burn()
except AttributeError as error:
    print(error)
try:
    from library import burn
except ImportError as error:
    print(str(error).partition(" (")[0], "burn" in globals())
