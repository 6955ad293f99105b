"""Imports stand in class bodies, methods, loops, handlers, matches, and several in one line."""

import hamlet.street as street, hamlet.well as well  # noqa: E401
from hamlet import (
    mill,
    pond as water,
)

for number in range(2):
    if number:
        from hamlet.barn import hay
else:
    from hamlet.field import grain
try:
    from hamlet import ruin_nobody_has
except ImportError:
    from hamlet.forge import iron
finally:
    import hamlet.gate
match street.NAME:
    case "main":
        from hamlet.inn import bed


class House:
    from hamlet.roof import TILES

    def live(self):
        def inside():
            from hamlet.stove import warm

            return warm()

        return inside()

    @staticmethod
    async def wait():
        with open(__file__):
            from hamlet.yard import SPACE
        return SPACE


found = [hay(), grain(), iron(), bed(), hamlet.gate.OPEN, House.TILES, House().live()]
print(found, well.DEPTH, mill.NAME, water.NAME)
try:
    House.wait().send(None)
except StopIteration as end:
    print(end.value, (lambda: __import__("hamlet.cellar", fromlist=["x"]).NAME)())
