"""Hints of names that only type checkers import cannot be evaluated, unless one says what they are."""

import typing

from workshop import drill
from workshop.drill import bore

print(bore.__annotations__)
try:
    typing.get_type_hints(bore)
except NameError as error:
    print(error)
print(typing.get_type_hints(bore, localns={"Wood": int, "bits": drill}))
print(typing.get_type_hints(drill.Drill), drill.CHECKING)
