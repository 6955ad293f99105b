"""A star import takes what `__all__` lists, private names and submodules included."""

from orchestra import *  # noqa: F403

print(sorted(name for name in globals() if not name.startswith("__")))
print(_baton(), strings.play(), violin)  # noqa: F405
