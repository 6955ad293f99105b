"""Find recipes: every script with a ``[tool.runspec]`` block in the folders that hold them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.env_toml import find_env_toml, load_env_toml
from nemo_runspec.errors import RunspecError
from nemo_runspec.runspec.header import read_header
from nemo_runspec.runspec.model import Runspec
from nemo_runspec.runspec.parsing import parse_header

RECIPES_VARIABLE = "NEMOTRON_RECIPES"
_FOLDER_NAME = "recipes"
_SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})


@dataclass(frozen=True, slots=True)
class DiscoveredRecipes:
    """What a search found.

    Args:
        recipes: The recipes, sorted by name; each name once.
        errors: Why other scripts or folders were left out; one broken recipe hides no other.
    """

    recipes: tuple[Runspec, ...]
    errors: tuple[RunspecError, ...]

    def by_name(self) -> dict[str, Runspec]:
        """Map each recipe's name to it."""
        return {recipe.name: recipe for recipe in self.recipes}


def recipe_folders(cwd: Path | None = None, *, installed: Sequence[Path] = ()) -> list[Path]:
    """List the folders to search, the most specific first.

    ``$NEMOTRON_RECIPES`` comes first, then ``[cli] recipes`` of env.toml (relative to that
    file), then a ``recipes`` folder here or above, then the installed ones.

    Args:
        cwd: Where the search for env.toml and ``recipes`` starts; by default the working
            directory.
        installed: Folders of installed packages.

    Returns:
        Absolute paths, each once.

    Raises:
        ProfileError: env.toml cannot be used.
    """
    start = (cwd or Path.cwd()).absolute()
    folders = [start / name for name in _from_variable(os.environ)]
    folders += _from_env_toml(start)
    folders += _in_checkout(start)
    folders += [folder.absolute() for folder in installed]
    return list(dict.fromkeys(folders))


def discover_recipes(folders: Sequence[Path]) -> DiscoveredRecipes:
    """Read the header of every script below some folders.

    Args:
        folders: Where to look. A recipe of an earlier folder hides one of the same name in a
            later folder.

    Returns:
        The recipes, and the errors of what could not be used. Two scripts of one folder that
        claim the same name are both left out.
    """
    found: dict[str, Runspec] = {}
    errors: list[RunspecError] = []
    for folder in folders:
        if not folder.is_dir():
            errors.append(_missing_folder(folder))
            continue
        here, problems = _read_folder(folder)
        errors += problems
        found = here | found
    recipes = tuple(sorted(found.values(), key=lambda recipe: recipe.words))
    return DiscoveredRecipes(recipes, tuple(errors))


def _read_folder(folder: Path) -> tuple[dict[str, Runspec], list[RunspecError]]:
    claims: dict[str, list[Runspec]] = {}
    errors: list[RunspecError] = []
    for script in _scripts(folder):
        try:
            header = read_header(script)
            spec = None if header is None else parse_header(script, header)
        except RunspecError as error:
            errors.append(error)
            continue
        if spec is not None:
            claims.setdefault(spec.name, []).append(spec)
    errors += [_ambiguous(name, specs) for name, specs in claims.items() if len(specs) > 1]
    return {name: specs[0] for name, specs in claims.items() if len(specs) == 1}, errors


def _scripts(folder: Path) -> Iterator[Path]:
    for current, names, files in os.walk(folder.absolute()):
        names[:] = sorted(
            name for name in names if not name.startswith(".") and name not in _SKIPPED_FOLDERS
        )
        for name in sorted(files):
            if name.endswith(".py") and not name.startswith("."):
                yield Path(current, name)


def _from_variable(environ: Mapping[str, str]) -> list[str]:
    return [name for name in environ.get(RECIPES_VARIABLE, "").split(os.pathsep) if name]


def _from_env_toml(start: Path) -> list[Path]:
    file = find_env_toml(start)
    if file is None:
        return []
    return [file.parent / name for name in load_env_toml(file).recipe_folders]


def _in_checkout(start: Path) -> list[Path]:
    for folder in (start, *start.parents):
        candidate = folder / _FOLDER_NAME
        if candidate.is_dir():
            return [candidate]
    return []


def _missing_folder(folder: Path) -> RunspecError:
    return RunspecError(
        "The recipe folder does not exist.",
        where=str(folder),
        hint=f"Correct {RECIPES_VARIABLE} or [cli] recipes in env.toml.",
    )


def _ambiguous(name: str, specs: Sequence[Runspec]) -> RunspecError:
    files = " and ".join(str(spec.path) for spec in specs)
    return RunspecError(
        f"Several scripts claim the recipe name {name!r}: {files}.",
        hint="Give each its own 'name'.",
    )
