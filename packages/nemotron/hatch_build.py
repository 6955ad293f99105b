"""Put the workspace's recipes into the distributions, so that an installed command has them."""

# ruff: noqa: INP001 - hatch loads this file by its path
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_IN_WHEEL = "nemotron/_recipes"
_IN_SDIST = "recipes"
_LEFT_OUT_FOLDERS = frozenset({"__pycache__", "tests", "output", "artifacts"})


class RecipesHook(BuildHookInterface[Any]):
    """Adds every recipe file to the wheel and the sdist; an editable install reads the checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Name the files to add."""
        if version == "editable":
            return
        target = _IN_WHEEL if self.target_name == "wheel" else _IN_SDIST
        source = _source(Path(self.root))
        for file in _files(source):
            place = f"{target}/{file.relative_to(source).as_posix()}"
            build_data["force_include"][str(file)] = place


def _source(project: Path) -> Path:
    """Find the recipes: beside the project in an unpacked sdist, above it in the workspace."""
    for candidate in (project / "recipes", project.parent.parent / "recipes"):
        if candidate.is_dir():
            return candidate
    raise FileNotFoundError(f"no recipes/ folder in {project} or its workspace")


def _files(source: Path) -> Iterator[Path]:
    for path in sorted(source.rglob("*")):
        parts = path.relative_to(source).parts
        hidden = any(part.startswith(".") for part in parts)
        if hidden or _LEFT_OUT_FOLDERS.intersection(parts[:-1]) or not path.is_file():
            continue
        if path.suffix != ".pyc" and path.name != "conftest.py" and not path.match("test_*.py"):
            yield path
