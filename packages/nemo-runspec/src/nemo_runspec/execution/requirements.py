"""Check, before a recipe starts here, that the packages its header names are installed."""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any

from nemo_runspec.errors import MissingDependencyError
from nemo_runspec.runspec import Runspec
from nemo_runspec.runspec.header import read_header
from nemo_runspec.toml_text import parse_toml

_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


def require_dependencies(recipe: Runspec) -> None:
    """Refuse to start a recipe whose packages are not installed; versions are not compared.

    Args:
        recipe: The recipe; the ``dependencies`` of its header are looked up. One that applies
            only under some condition (``; python_version < "3.12"``) is not.

    Raises:
        MissingDependencyError: Some are not installed; the hint installs them.
    """
    missing = [requirement for requirement in _requirements(recipe) if _is_missing(requirement)]
    if missing:
        names = ", ".join(missing)
        raise MissingDependencyError(
            f"Recipe {recipe.name!r} needs {names}, which {_verb(missing)} not installed.",
            where=str(recipe.path),
            hint=f"Install with: pip install {' '.join(missing)}",
        )


def _requirements(recipe: Runspec) -> list[str]:
    header = read_header(recipe.path)
    document: dict[str, Any] = {} if header is None else parse_toml(header.text)
    listed = document.get("dependencies", [])
    return [item for item in listed if isinstance(item, str) and ";" not in item]


def _is_missing(requirement: str) -> bool:
    name = _NAME.match(requirement)
    if name is None:
        return False
    try:
        metadata.distribution(name[1])
    except metadata.PackageNotFoundError:
        return True
    return False


def _verb(missing: list[str]) -> str:
    return "is" if len(missing) == 1 else "are"
