"""Text that lies in packages is read through importlib.resources."""

import sys
from importlib import resources

from recipes_of import soup
from recipes_of.soup import greet

print(soup.ingredients(), greet("Zoë"))
folder = resources.files("recipes_of")
print(sorted(item.name for item in folder.joinpath("texts").iterdir() if item.name.endswith(".txt")))
print(folder.joinpath("texts", "none.txt").is_file(), folder.joinpath("texts").is_dir())
try:
    folder.joinpath("texts", "none.txt").read_text(encoding="utf-8")
except FileNotFoundError as error:
    print(type(error).__name__)
print(resources.files("recipes_of").joinpath("plain", "note.txt").read_text("utf-8").strip())
print(repr(resources.files("recipes_of.texts").joinpath("greeting.txt").open().readline()))
print(folder.joinpath("plain/deeper/note.txt").read_text("utf-8").strip())
if sys.version_info >= (3, 12):
    print(resources.files(soup).joinpath("plain", "note.txt").read_text("utf-8").strip())
    with resources.as_file(folder / "plain") as path:
        print(sorted(item.relative_to(path).as_posix() for item in path.rglob("*")))
if sys.version_info >= (3, 13):
    print(resources.read_text("recipes_of.texts", "soup.txt", encoding="utf-8").split())
    print(resources.is_resource("recipes_of.texts", "soup.txt"))
with resources.as_file(folder / "texts" / "soup.txt") as path:
    print(path.read_text(encoding="utf-8").splitlines()[0], path.suffix)
