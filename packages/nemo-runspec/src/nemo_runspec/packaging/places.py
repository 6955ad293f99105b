"""Where modules come from: the recipe's folder, its workspace, our own packages, or elsewhere."""

from __future__ import annotations

import importlib.util
import os
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path
from typing import Any, Literal

from nemo_runspec.errors import PackagingError
from nemo_runspec.exports import OWN_DISTRIBUTIONS

_INIT = "__init__.py"
_INSTALLED = frozenset({"site-packages", "dist-packages"})
_PROJECT = "pyproject.toml"

Kind = Literal["standard", "third-party", "missing"]


@dataclass(frozen=True, slots=True)
class Module:
    """A module of our own.

    Attributes:
        name: Its dotted name.
        path: Its file, or the folder of a package without ``__init__.py``.
        root: The folder that its top-level name lies in.
        is_package: Whether it has submodules.
    """

    name: str
    path: Path
    root: Path
    is_package: bool

    @property
    def is_namespace(self) -> bool:
        """Whether it is a folder without ``__init__.py``."""
        return self.is_package and self.path.name != _INIT

    @property
    def folder(self) -> Path:
        """The folder of its submodules."""
        return self.path if self.is_namespace else self.path.parent


class Places:
    """Finds modules as the recipe would, without importing anything.

    Args:
        script: The recipe.
        packages: Top-level packages to take along beside those that are known as our own.
    """

    def __init__(self, script: Path, packages: Sequence[str] = ()) -> None:
        self.script = script
        self.folder = script.parent
        self.packages = frozenset(name.partition(".")[0] for name in packages)
        self._tops: dict[str, Module | Kind] = {}
        self._modules: dict[str, Module | None] = {}

    @cached_property
    def workspace(self) -> Path:
        """The outermost folder around the recipe that is a workspace or a checkout.

        Of a recipe that was installed with its package, the folder that packages are installed in.
        """
        installed = [folder for folder in self.folder.parents if folder.name in _INSTALLED]
        if installed:
            return installed[0]
        root = self.folder
        for folder in (self.folder, *self.folder.parents):
            if (folder / _PROJECT).is_file() or (folder / ".git").exists():
                root = folder
                if (folder / ".git").exists() or "workspace" in _uv_table(folder / _PROJECT):
                    break
        return root

    @cached_property
    def roots(self) -> tuple[Path, ...]:
        """The folders that the workspace's members are imported from."""
        return tuple(_source_roots(self.workspace))

    def top(self, name: str) -> Module | Kind:
        """Find a top-level module, and say whose it is.

        Raises:
            PackagingError: A file beside the recipe has the name of a standard module, or the
                module is a binary one.
        """
        if name not in self._tops:
            self._tops[name] = self._find_top(name)
        return self._tops[name]

    def module(self, name: str) -> Module | None:
        """Find a module below one of our own packages; None where there is no such one."""
        if name not in self._modules:
            self._modules[name] = self._find(name)
        return self._modules[name]

    def pseudo_path(self, path: Path, root: Path) -> str:
        """Spell a path as it is shown everywhere: relative to the workspace."""
        for base in (self.workspace, root):
            inside = path.relative_to(base).parts if path.is_relative_to(base) else _INSTALLED
            if not _INSTALLED.intersection(inside):
                return "/".join(inside)
        return path.name

    def refuse_namesake(self, name: str) -> None:
        """Refuse a file beside the recipe that Python would import for one of its own modules.

        Args:
            name: A top-level name.

        Raises:
            PackagingError: There is one.
        """
        if name not in sys.stdlib_module_names:
            return
        beside = _in_folder(self.folder, name, name, self.folder)
        if beside is not None and not beside.is_namespace:
            raise PackagingError(
                f"The file has the name of Python's own module {name!r}, and would be imported in "
                "its place.",
                where=str(beside.path),
                hint="Give it another name.",
            )

    def _find(self, name: str) -> Module | None:
        parent_name, dot, last = name.rpartition(".")
        if not dot:
            found = self.top(name)
            return found if isinstance(found, Module) else None
        parent = self.module(parent_name)
        if parent is None or not parent.is_package:
            return None
        return _in_folder(parent.folder, last, name, parent.root)

    def _find_top(self, name: str) -> Module | Kind:
        if name == "__main__":
            return "standard"
        if name in sys.stdlib_module_names or name in sys.builtin_module_names:
            self.refuse_namesake(name)
            return "standard"
        beside = _in_folder(self.folder, name, name, self.folder)
        if beside is not None and not beside.is_namespace:
            return beside
        for root in self.roots:
            found = _in_folder(root, name, name, root)
            if found is not None and not found.is_namespace:
                return found
        elsewhere = self._elsewhere(name)
        # A folder without __init__.py is what Python takes last; one without code is data.
        if elsewhere == "missing" and beside is not None and any(beside.path.rglob("*.py")):
            return beside
        return elsewhere

    def _elsewhere(self, name: str) -> Module | Kind:
        origin = self._installed(name)
        if origin is None:
            return "missing"
        own = name in OWN_DISTRIBUTIONS or name in self.packages or self._in_workspace(origin)
        if not own:
            return "third-party"
        root = origin.parent.parent if origin.name == _INIT else origin.parent
        return _in_folder(root, name, name, root) or "third-party"

    def _in_workspace(self, origin: Path) -> bool:
        if self.workspace.name in _INSTALLED or not origin.is_relative_to(self.workspace):
            return False
        return not _INSTALLED.intersection(origin.relative_to(self.workspace).parts)

    def _installed(self, name: str) -> Path | None:
        """The file that the environment imports a name from; a package's folder has ``_INIT``."""
        spec = PathFinder.find_spec(name)
        if spec is None:
            try:
                spec = importlib.util.find_spec(name)
            except (ImportError, ValueError):
                return None
        if spec is None:
            return None
        if spec.origin is None:
            first = next(iter(spec.submodule_search_locations or ()), None)
            return None if first is None else Path(first, _INIT)
        return Path(spec.origin)


def submodules(package: Module) -> Iterator[str]:
    """Yield the names of all modules below a package."""
    for entry in sorted(os.scandir(package.folder), key=lambda item: item.name):
        if entry.is_dir() and entry.name.isidentifier() and entry.name != "__pycache__":
            inner = _in_folder(
                package.folder, entry.name, f"{package.name}.{entry.name}", package.root
            )
            if inner is not None and not inner.is_namespace:
                yield inner.name
                yield from submodules(inner)
        elif entry.name.endswith(".py") and entry.name != _INIT:
            yield f"{package.name}.{entry.name.removesuffix('.py')}"


def _in_folder(folder: Path, last: str, name: str, root: Path) -> Module | None:
    """Find a module in one folder, in Python's own order."""
    place = os.path.join(folder, last)  # noqa: PTH118 - thousands of paths are looked at
    if os.path.isfile(f"{place}/{_INIT}"):  # noqa: PTH113
        return Module(name, Path(place, _INIT), root, is_package=True)
    for suffix in EXTENSION_SUFFIXES:
        if os.path.isfile(place + suffix):  # noqa: PTH113
            raise PackagingError(
                f"{name} is a binary extension module, which one file cannot hold.",
                where=place + suffix,
                hint='Use the code packager: packager = "code".',
            )
    if os.path.isfile(f"{place}.py"):  # noqa: PTH113
        return Module(name, Path(f"{place}.py"), root, is_package=False)
    is_folder = os.path.isdir(place)  # noqa: PTH112
    return Module(name, Path(place), root, is_package=True) if is_folder else None


def _source_roots(workspace: Path) -> Iterator[Path]:
    members = _uv_table(workspace / _PROJECT).get("workspace", {}).get("members", [])
    folders = [folder for pattern in members for folder in sorted(workspace.glob(pattern))]
    for folder in (*folders, workspace):
        if (folder / _PROJECT).is_file():
            yield folder / "src" if (folder / "src").is_dir() else folder


def _uv_table(project: Path) -> dict[str, Any]:
    uv = read_project(project).get("tool", {}).get("uv", {})
    return uv if isinstance(uv, dict) else {}


def read_project(file: Path) -> dict[str, Any]:
    """Read a ``pyproject.toml``; an empty one where it is absent or malformed."""
    try:
        return _project(file, file.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=64)
def _project(file: Path, _changed: int) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}
