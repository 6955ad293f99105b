"""Modules have names of builtins for things of their own."""

from catalogue import entries
from catalogue.entries import id, list, open, print as announce

print(id, list([3, 1]), open("nothing"), announce("loud"))
print(entries.total([1, 2]), str(3), max(1, 2))
