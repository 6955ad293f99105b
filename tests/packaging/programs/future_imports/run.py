"""A future import holds for the module that has it, and for no other."""

from calendars import new, old


def here(day: int) -> str:
    return str(day)


print(here.__annotations__, old.day.__annotations__, new.day.__annotations__)
print(new.YEAR, old.YEAR, here(3))
