"""Text that lies in packages is read through importlib.resources."""

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
with resources.as_file(folder / "texts" / "soup.txt") as path:
    print(path.read_text(encoding="utf-8").splitlines()[0], path.suffix)
