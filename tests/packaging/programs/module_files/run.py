"""Modules name their files, and the script the one that was started."""

import sys
from pathlib import Path

import atlas
from atlas import europe
from atlas.europe import alps
from places import here

for module in (atlas, europe, alps):
    file = Path(module.__file__)
    print(file.name, file.parent.name, Path(module.__spec__.origin).name)
print(alps.where())
print(Path(__file__).resolve() == Path(sys.argv[0]).resolve(), Path(here()).name, Path(here.__code__.co_filename).name)
print(Path(atlas.__path__[0]).name, Path(europe.__path__[0]).relative_to(atlas.__path__[0]))
