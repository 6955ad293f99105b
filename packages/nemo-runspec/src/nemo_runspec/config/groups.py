"""Config groups chosen on the command line: ``optimizer=adam`` picks ``optimizer/adam.yaml``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nemo_runspec.config.grammar import Override, OverrideKind
from nemo_runspec.errors import ConfigError


class GroupChoices:
    """The overrides that may be meant for a ``defaults`` list rather than for a key.

    Args:
        overrides: The overrides of the command line, in order.
        root: The configuration folder; its subfolders are the groups.
    """

    def __init__(self, overrides: Sequence[Override], root: Path) -> None:
        self._overrides = overrides
        self._candidates = {
            override.key: override for override in overrides if _may_choose(override, root)
        }
        self._used: set[str] = set()

    def chosen(self, defaults: Any, group: tuple[str, ...]) -> Any:
        """Put the choices into one file's ``defaults``.

        Args:
            defaults: The list as written in a file.
            group: The folder of that file below the configuration folder.

        Returns:
            The list, with the chosen names.
        """
        if not isinstance(defaults, list):
            return defaults
        return [self._item(item, group) for item in defaults]

    def additions(self) -> list[dict[str, Any]]:
        """List the entries that ``+group=name`` adds at the end of the main file's list."""
        added = [
            override for override in self._candidates.values() if override.kind is OverrideKind.ADD
        ]
        self._used.update(override.key for override in added)
        return [{override.key: override.value} for override in added]

    def remaining(self) -> list[Override]:
        """List the overrides that are for keys.

        Raises:
            ConfigError: One can only be a group's, and no ``defaults`` list has the group.
        """
        return list(self._remaining())

    def _remaining(self) -> Iterator[Override]:
        for override in self._overrides:
            if override.key in self._used and self._candidates.get(override.key) is override:
                continue
            if "/" in override.key or "@" in override.key:
                raise ConfigError(
                    f"No 'defaults' list names the config group '{override.key}'.",
                    where=override.text,
                    hint=f"To add the group, write +{override.key}=NAME; "
                    "for a key inside a section, write a.b=value.",
                )
            yield override

    def _item(self, item: Any, group: tuple[str, ...]) -> Any:
        if not isinstance(item, dict) or len(item) != 1:
            return item
        (written,) = item
        name = str(written).removeprefix("optional ").strip()
        key = name[1:] if name.startswith("/") else "/".join((*group, name))
        override = self._candidates.get(key)
        if override is None or override.kind is OverrideKind.ADD:
            return item
        self._used.add(key)
        return {written: override.value}


def _may_choose(override: Override, root: Path) -> bool:
    group = override.key.partition("@")[0]
    if "." in group or not group or not (root / group).is_dir():
        return False
    if override.kind is OverrideKind.DELETE:
        return not override.has_value
    names = override.value if isinstance(override.value, list) else [override.value]
    if not all(isinstance(name, str) and name for name in names):
        return False
    if override.kind is OverrideKind.ADD:
        return all(any((root / group).glob(f"{name}.*")) for name in names)
    return override.kind is OverrideKind.SET
