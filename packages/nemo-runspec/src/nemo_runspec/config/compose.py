"""Compose a configuration from its ``defaults`` list, as Hydra does."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config.defaults import Include, parse_defaults
from nemo_runspec.config.files import read_mapping
from nemo_runspec.config.grammar import Override
from nemo_runspec.config.groups import GroupChoices
from nemo_runspec.config.listing import SUFFIXES, list_configs
from nemo_runspec.config.locate import key_line
from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean

_DEFAULTS = "defaults"
_MISSING = "???"
_GLOBAL = "_global_"
_HEADER = re.compile(r"#\s*@package\s+([\w.-]+)\s*$", re.ASCII)


def load_omegaconf_yaml(path: str | Path) -> DictConfig:
    """Load a configuration and everything that its ``defaults`` list names.

    Names are looked up in the file's own folder. ``- base`` merges ``base.yaml`` at the top,
    ``- optimizer: adam`` merges ``optimizer/adam.yaml`` under ``optimizer``; later entries win,
    and the file itself comes where ``_self_`` stands, by default last.

    Args:
        path: A YAML, TOML or JSON file.

    Returns:
        The configuration without ``defaults``; interpolations are kept as they are.

    Raises:
        ConfigError: A file is missing, malformed, or part of a circle.
    """
    file = Path(path).expanduser().absolute()
    return OmegaConf.create(compose(file))


def compose(file: Path) -> dict[Any, Any]:
    """Compose a configuration into plain mappings, lists and values.

    Raises:
        ConfigError: As in :func:`load_omegaconf_yaml`.
    """
    return compose_with(file, ())[0]


def compose_with(
    file: Path, overrides: Sequence[Override], root: Path | None = None
) -> tuple[dict[Any, Any], list[Override]]:
    """Compose a configuration; ``optimizer=adam`` chooses where ``optimizer`` is a group.

    Args:
        file: The configuration.
        overrides: The overrides of the command line.
        root: The folder that ``defaults`` are looked up in, for files inside it; by default,
            and for every other file, the file's own.

    Returns:
        The content, and the overrides that are left to apply to it.

    Raises:
        ConfigError: As in :func:`load_omegaconf_yaml`.
    """
    folder = root if root is not None and file.is_relative_to(root) else file.parent
    choices = GroupChoices(overrides, folder)
    content = _Composer(folder, choices).compose(file, (), _header_package(file) or (), ())
    return content, choices.remaining()


def find_config(folder: Path, name: str) -> Path:
    """Find a recipe's configuration by name or path.

    Args:
        folder: The recipe's configuration folder.
        name: ``tiny`` for ``tiny.yaml`` in that folder, or the path of a file.

    Raises:
        ConfigError: There is no such configuration, or the name fits several files.
    """
    as_path = Path(name).expanduser()
    if as_path.is_absolute() or as_path.suffix.lower() in SUFFIXES:
        return _file_at(as_path, folder)
    found = _files_named(folder, tuple(name.split("/")), where=str(folder))
    if not found:
        raise ConfigError(
            f"There is no configuration '{name}'.",
            where=str(folder),
            hint=did_you_mean(name, list_configs(folder)) or f"Create {name}.yaml there.",
        )
    return found[0]


def _file_at(path: Path, folder: Path) -> Path:
    for candidate in (path.absolute(), folder / path):
        if candidate.is_file():
            return candidate
    raise ConfigError(
        f"The configuration file '{path}' does not exist.",
        where=str(folder),
        hint=did_you_mean(path.stem, list_configs(folder)),
    )


@dataclass(frozen=True, slots=True)
class _Composer:
    root: Path
    choices: GroupChoices

    def compose(
        self,
        file: Path,
        group: tuple[str, ...],
        package: tuple[str, ...],
        chain: Sequence[Path],
    ) -> dict[Any, Any]:
        if file in chain:
            circle = " → ".join(link.name for link in (*chain, file))
            raise ConfigError(
                f"Configurations name each other in a circle: {circle}.",
                where=_defaults_line(chain[-1]),
                hint="Remove one of the 'defaults' entries.",
            )
        content = read_mapping(file)
        defaults = self.choices.chosen(content.pop(_DEFAULTS, None), group)
        entries = parse_defaults(defaults, lambda: _defaults_line(file))
        if not chain:
            added = self.choices.additions()
            entries += parse_defaults([*added, "_self_"], lambda: str(file))[:-1]
        merged: dict[Any, Any] = {}
        for entry in entries:
            if entry is None:
                part = _wrap(content, package)
            else:
                part = self._included(file, entry, group, package, (*chain, file))
            merged = merge_values(merged, part)
        return merged

    def _included(
        self,
        file: Path,
        entry: Include,
        group: tuple[str, ...],
        package: tuple[str, ...],
        chain: Sequence[Path],
    ) -> dict[Any, Any]:
        folder = entry.group if entry.absolute else (*group, *entry.group)
        name = (*folder, entry.name)
        found = _files_named(self.root, name, where=_defaults_line(file))
        if not found:
            if entry.optional:
                return {}
            raise ConfigError(
                f"'defaults' names '{'/'.join(name)}', which does not exist.",
                where=_defaults_line(file),
                hint=did_you_mean(entry.name, list_configs(self.root.joinpath(*folder))),
            )
        below = _header_package(found[0]) if entry.package is None else None
        if below is None:
            below = entry.package_below(package)
        return self.compose(found[0], folder, below, chain)


def merge_values(below: Mapping[Any, Any], above: Mapping[Any, Any]) -> dict[Any, Any]:
    """Merge two mappings without resolving anything.

    Mappings merge key by key, everything else is replaced; a missing value (``???``) replaces
    nothing.
    """
    merged = dict(below)
    for key, value in above.items():
        current = merged.get(key)
        if isinstance(current, Mapping) and isinstance(value, Mapping):
            merged[key] = merge_values(current, value)
        elif value != _MISSING or key not in merged:
            merged[key] = value
    return merged


def _files_named(root: Path, name: tuple[str, ...], *, where: str) -> list[Path]:
    base = root.resolve()
    if any(part in ("", ".", "..") for part in name):
        raise _outside("/".join(name), where)
    stem = root.joinpath(*name)
    found = [stem.with_name(stem.name + suffix) for suffix in SUFFIXES]
    found = [file for file in found if file.is_file()]
    if len(found) > 1:
        raise ConfigError(
            f"'{'/'.join(name)}' fits several files: {', '.join(file.name for file in found)}.",
            where=where,
            hint="Rename one of them.",
        )
    if found and not found[0].resolve().is_relative_to(base):
        raise _outside("/".join(name), where)
    return found


def _header_package(file: Path) -> tuple[str, ...] | None:
    """Read Hydra's ``# @package`` in a file's first line: where the content goes, from the top."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            header = _HEADER.match(stream.readline())
    except (OSError, UnicodeDecodeError):
        # Reading the whole file comes next and reports this with its reason.
        return None
    if header is None:
        return None
    return tuple(part for part in header[1].split(".") if part and part != _GLOBAL)


def _outside(name: str, where: str) -> ConfigError:
    return ConfigError(
        f"'{name}' leads out of the configuration folder.",
        where=where,
        hint="Name a file inside it, or pass a path with -c.",
    )


def _defaults_line(file: Path) -> str:
    line = key_line(file, (_DEFAULTS,))
    return str(file) if line is None else f"{file}:{line}"


def _wrap(content: dict[Any, Any], package: tuple[str, ...]) -> dict[Any, Any]:
    for name in reversed(package):
        content = {name: content}
    return content
