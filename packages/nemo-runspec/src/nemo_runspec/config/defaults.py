"""The ``defaults`` list of a configuration, in Hydra's notation."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from nemo_runspec.errors import ConfigError

_SELF = "_self_"
_GLOBAL = "_global_"
_HERE = "_here_"
_ENTRY = re.compile(r"(?:(optional)\s+)?(/)?([\w.-]+(?:/[\w.-]+)*)(?:@([\w.-]*))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Include:
    """One other file of a ``defaults`` list.

    Args:
        group: Folders below the file's own (or, if absolute, below the configuration folder).
        name: The file's name without its suffix.
        absolute: True if the folders start at the configuration folder.
        package: Where the content goes, as written after ``@``; None for below its group.
        optional: True if the file may be absent.
    """

    group: tuple[str, ...]
    name: str
    absolute: bool
    package: str | None
    optional: bool

    def package_below(self, parent: tuple[str, ...]) -> tuple[str, ...]:
        """Say under which keys the content goes, given those of the file that includes it."""
        if self.package is None:
            return (*parent, *self.group)
        if self.package == _HERE:
            return parent
        names = tuple(part for part in self.package.split(".") if part)
        return names[1:] if names[:1] == (_GLOBAL,) else (*parent, *names)


def parse_defaults(value: Any, where: Callable[[], str]) -> list[Include | None]:
    """Read a ``defaults`` list.

    Args:
        value: The list as it stands in the file; None where there is none.
        where: Says where the list stands.

    Returns:
        The entries in order; None stands for the file itself.

    Raises:
        ConfigError: The list is malformed.
    """
    if value is None:
        return [None]
    if not isinstance(value, list):
        _fail("'defaults' must be a list.", where, "Write '- name' or '- group: name' below it.")
    entries = [entry for item in value for entry in _entries(item, where)]
    if entries.count(None) > 1:
        _fail(f"'{_SELF}' stands twice in 'defaults'.", where, None)
    return entries if None in entries else [*entries, None]


def _entries(item: Any, where: Callable[[], str]) -> list[Include | None]:
    if item == _SELF:
        return [None]
    if isinstance(item, str):
        return [_include(item, None, where)]
    if isinstance(item, dict) and len(item) == 1:
        ((group, names),) = item.items()
        if names is None:
            return []
        listed = names if isinstance(names, list) else [names]
        return [_include(str(group), name, where) for name in listed]
    return _fail(f"'defaults' cannot hold {item!r}.", where, "Write '- name' or '- group: name'.")


def _include(text: str, name: Any, where: Callable[[], str]) -> Include:
    found = _ENTRY.fullmatch(text.strip())
    if found is None or not (name is None or isinstance(name, str)):
        shown = text if name is None else f"{text}: {name}"
        _fail(f"'defaults' cannot hold '{shown}'.", where, "Write '- name' or '- group: name'.")
    optional, slash, path, package = found.groups()
    parts = tuple(path.split("/"))
    if name is None:
        parts, name = parts[:-1], parts[-1]
    *below, last = name.removesuffix(".yaml").split("/")
    return Include(
        group=(*parts, *below),
        name=last,
        absolute=bool(slash),
        package=package,
        optional=bool(optional),
    )


def _fail(what: str, where: Callable[[], str], hint: str | None) -> NoReturn:
    raise ConfigError(what, where=where(), hint=hint)
