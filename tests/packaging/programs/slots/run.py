"""Slots, also mangled ones, and descriptors that are told their names."""

from cabinet.drawers import Drawer
from cabinet.shelves import Drawer as Shelf

drawer = Drawer(3)
print(drawer.count(), Drawer.__slots__, sorted(name for name in vars(Drawer) if "count" in name))
try:
    drawer.other = 1
except AttributeError as error:
    print(type(error).__name__)
shelf = Shelf(3)
shelf.books = 4
print(shelf.books, shelf.count(), [vars(Shelf)[name] for name in ("books",)])
print(repr(Drawer), repr(Shelf), hasattr(drawer, "__dict__"))
