"""Attributes with two underscores are mangled by the class's name, in classes of one name too."""

from vault.inner import Safe as InnerSafe
from vault.outer import Safe

safe = Safe("gold", "silver")
print(safe.inner(), safe.outer(), sorted(vars(safe)))
inner = InnerSafe("tin")
print(inner.inner(), sorted(vars(inner)))
print(sorted(name for name in vars(Safe) if "Safe" in name))
try:
    print(safe.__secret)
except AttributeError as error:
    print(error)
print(Safe.__mro__)
