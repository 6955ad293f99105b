"""Generic classes, aliases and protocols show where they were defined."""

import typing

from containers_of import boxes, jars
from containers_of.boxes import Box, unpack

print(Box[int], boxes.Numbers, typing.get_args(boxes.Numbers))
print(Box[int](1).__orig_class__, repr(boxes.T), jars.T is boxes.T)
print(typing.get_type_hints(unpack), jars.Jar.__orig_bases__)
print(jars.Jar[str]("jam").open(), isinstance(jars.Jar(1), jars.Opens))
