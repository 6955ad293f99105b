"""Metaclasses and subclass hooks read the module and name of the class that is made."""

from genes import animals, plants
from genes.code import Living, known

print(known)
print(type(animals.Rose).__name__, plants.Rose.kind(), animals.Rose.kind())
print(Living.__subclasses__(), plants.Rose.Thorn.__qualname__)
