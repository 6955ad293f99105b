"""The distributions that modules of our own belong to: their versions and what they declare."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from nemo_runspec.exports import OWN_DISTRIBUTIONS
from nemo_runspec.packaging.places import Module, read_project

_PROJECT = "pyproject.toml"
_NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?")
_EXTRA_MARKER = re.compile(r"""extra\s*==\s*["']([^"']+)["']""")


@dataclass(frozen=True, slots=True)
class Distribution:
    """What a distribution says about itself.

    Attributes:
        name: Its name.
        version: Its version; ``0`` where it says none.
        dependencies: Its requirements.
        extras: Extra to further requirements.
        entry_points: Group to name to object.
    """

    name: str
    version: str
    dependencies: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    entry_points: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def distribution_of(module: Module) -> Distribution | None:
    """Find the distribution of a top-level module; None where it is in none."""
    project = _project_of(module.root)
    if project is not None:
        return _from_project(project)
    top = module.name.partition(".")[0]
    name = OWN_DISTRIBUTIONS.get(top) or next(iter(_names_by_module().get(top, ())), None)
    return None if name is None else installed_distribution(name)


def member_distributions(roots: Iterable[Path]) -> Iterator[Distribution]:
    """Yield the distributions of a workspace, by the folders that its members are imported from."""
    for root in roots:
        project = _project_of(root)
        if project is not None:
            yield _from_project(project)


def normal_name(name: str) -> str:
    """Spell a distribution's name in the one way in which names can be compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def split_requirement(requirement: str) -> tuple[str, tuple[str, ...]]:
    """Take the name and the extras out of a requirement; an empty name where it has none."""
    found = _NAME.match(requirement)
    if found is None:
        return "", ()
    extras = tuple(part.strip() for part in (found[2] or "").split(",") if part.strip())
    return found[1], extras


@lru_cache(maxsize=256)
def import_names(distribution: str) -> frozenset[str]:
    """Name the top-level modules of an installed distribution; a guess where it is not."""
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return frozenset({normal_name(distribution).replace("-", "_")})
    listed = found.read_text("top_level.txt")
    if listed:
        return frozenset(line.strip() for line in listed.splitlines() if line.strip())
    record = found.read_text("RECORD") or ""
    tops = (line.partition(",")[0].partition("/")[0] for line in record.splitlines())
    return frozenset(top.partition(".")[0] for top in tops if not top.endswith("-info"))


def _project_of(root: Path) -> dict[str, Any] | None:
    for folder in (root, root.parent) if root.name == "src" else (root,):
        project = read_project(folder / _PROJECT).get("project")
        if isinstance(project, dict) and "name" in project:
            return project
    return None


def _from_project(project: Mapping[str, Any]) -> Distribution:
    name = str(project["name"])
    version = project.get("version")
    if version is None:
        installed = installed_distribution(name)
        version = "0" if installed is None else installed.version
    return Distribution(
        name=name,
        version=str(version),
        dependencies=_texts(project.get("dependencies")),
        extras={key: _texts(value) for key, value in _table(project, "optional-dependencies")},
        entry_points={group: dict(table) for group, table in _table(project, "entry-points")},
    )


def _table(project: Mapping[str, Any], key: str) -> Sequence[tuple[str, Any]]:
    table = project.get(key)
    return tuple(table.items()) if isinstance(table, dict) else ()


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(item) for item in values) if isinstance(values, list) else ()


@lru_cache(maxsize=64)
def installed_distribution(name: str) -> Distribution | None:
    """Read what an installed distribution says; None where it is not installed."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    plain: list[str] = []
    extras: dict[str, tuple[str, ...]] = {}
    for requirement in found.requires or ():
        text, _, marker = requirement.partition(";")
        extra = _EXTRA_MARKER.search(marker)
        if extra is None:
            plain.append(requirement)
        else:
            extras[extra[1]] = (*extras.get(extra[1], ()), text.strip())
    groups: dict[str, dict[str, str]] = {}
    for point in found.entry_points:
        groups.setdefault(point.group, {})[point.name] = point.value
    return Distribution(found.metadata["Name"], found.version, tuple(plain), extras, groups)


@lru_cache(maxsize=1)
def _names_by_module() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()
