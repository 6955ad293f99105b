"""Subclasses register themselves by import, and the order of imports is the order of the registry."""

from guild import members
from guild.base import Member, ranks

print([member.__qualname__ for member in Member.members], ranks())
print([member.__module__ for member in Member.members], members.COUNT)
print(Member.members[0].motto(), Member.members[-1].motto(), Member.motto())
