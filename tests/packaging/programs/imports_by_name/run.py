"""Modules are imported by names in strings, whole and relative, and looked for."""

import importlib
from importlib import import_module
from importlib.util import find_spec

from post import office

late = importlib.import_module("post.late")
print(late.letter(), import_module(".early", package="post").letter(), office.sort())
print(find_spec("post.late").name, find_spec("post.never"), find_spec("post") is not None)
print(__import__("post.late").__name__, __import__("post", fromlist=["late"]).late is late)
try:
    importlib.import_module("post.never")
except ModuleNotFoundError as error:
    print(error)
try:
    importlib.import_module("post.late.night")
except ModuleNotFoundError as error:
    print(error)
