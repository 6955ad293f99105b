"""A star import without `__all__` takes the public names, and builtins stay themselves elsewhere."""

from maths.shadows import *  # noqa: F403
from maths.sums import added

print(sorted(name for name in globals() if not name.startswith("__")))
print(len([1, 2, 3]), sum([1, 2]), added([1, 2]))  # noqa: F405
