"""env.toml: where jobs run, where artifacts are recorded, which W&B project they go to.

Only the standard library is imported here, so that the command line can start quickly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

from nemo_runspec.errors import ProfileError
from nemo_runspec.profile_spellings import EXECUTOR, without_others
from nemo_runspec.suggest import did_you_mean
from nemo_runspec.toml_text import TomlSyntaxError, line_of, parse_toml

FILE_NAME = "env.toml"
FILE_VARIABLE = "NEMOTRON_ENV"
ROOT_VARIABLE = "NEMOTRON_ARTIFACTS_ROOT"
RESERVED_SECTIONS = ("wandb", "artifacts", "cache", "cli")
_EXTENDS = "extends"


@dataclass(frozen=True, slots=True)
class EnvProfile(Mapping[str, Any]):
    """A named execution environment, with everything that it extends merged in.

    Args:
        name: Its name in env.toml.
        path: The env.toml that it comes from.
        settings: Its keys; ``extends`` is gone.
    """

    name: str
    path: Path
    settings: Mapping[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.settings[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.settings)

    def __len__(self) -> int:
        return len(self.settings)


@dataclass(frozen=True, slots=True)
class EnvToml:
    """A parsed env.toml.

    Args:
        path: The file.
        wandb: Its ``[wandb]`` section.
        artifacts: Its ``[artifacts]`` section.
        cache: Its ``[cache]`` section.
        cli: Its ``[cli]`` section.
        profiles: Every other table, as written.
        text: The file's text, to say where something stands.
    """

    path: Path
    wandb: Mapping[str, Any]
    artifacts: Mapping[str, Any]
    cache: Mapping[str, Any]
    cli: Mapping[str, Any]
    profiles: Mapping[str, Mapping[str, Any]]
    text: str = field(repr=False)

    @property
    def recipe_folders(self) -> tuple[str, ...]:
        """The ``recipes`` of ``[cli]``: folders, relative to the file's own.

        Raises:
            ProfileError: It is no list of strings.
        """
        folders = self.cli.get("recipes", [])
        if not isinstance(folders, list) or not all(isinstance(name, str) for name in folders):
            raise ProfileError(
                "'cli.recipes' must be a list of folders.",
                where=self.where("cli", "recipes"),
                hint='Write recipes = ["path/to/recipes"].',
            )
        return tuple(folders)

    def artifact_defaults(self, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The ``artifacts`` section below every configuration's own.

        The root of ``NEMOTRON_ARTIFACTS_ROOT`` stands above that of ``[artifacts]``, where a
        relative one lies in the file's own folder.

        Args:
            environ: The environment to read; by default the process's own.
        """
        variables = os.environ if environ is None else environ
        manifest = self.artifacts.get("manifest")
        root = manifest.get("root") if isinstance(manifest, Mapping) else None
        if isinstance(root, str) and _is_relative(root):
            root = str(self.path.absolute().parent / root)
        root = variables.get(ROOT_VARIABLE) or root
        if root is None:
            return dict(self.artifacts)
        return merge_tables(self.artifacts, {"manifest": {"root": root}})

    def profile(self, name: str) -> EnvProfile:
        """Look a profile up and merge what it extends: parents first, in their order.

        Raises:
            ProfileError: There is no such profile, a parent is missing, or profiles extend
                each other in a circle.
        """
        if name in RESERVED_SECTIONS:
            raise ProfileError(
                f"'{name}' is a reserved section of env.toml, not a profile.",
                where=str(self.path),
                hint=did_you_mean(name, self.profiles),
            )
        if name not in self.profiles:
            raise ProfileError(
                f"There is no profile '{name}'.",
                where=str(self.path),
                hint=did_you_mean(name, self.profiles) or f"Add a table [{name}] to that file.",
            )
        merged = self._merged(name, ())
        self._refuse_times(name, merged)
        return EnvProfile(name, self.path, merged)

    def lineage(self, name: str) -> tuple[str, ...]:
        """Name a profile and all that it extends; what stands first wins.

        Raises:
            ProfileError: A parent is missing, or profiles extend each other in a circle.
        """
        self._merged(name, ())
        above = [self.lineage(parent) for parent in reversed(self._parents(name))]
        return tuple(dict.fromkeys((name, *(item for names in above for item in names))))

    def table_with(self, name: str, key: str) -> str:
        """Name the profile that a key of a profile stands in: itself, or one that it extends."""
        return next((item for item in self.lineage(name) if key in self.profiles[item]), name)

    def where(self, *keys: str) -> str:
        """Say in which file, and where possible on which line, a key stands."""
        line = line_of(self.text, keys)
        return str(self.path) if line is None else f"{self.path}:{line}"

    def _merged(self, name: str, children: tuple[str, ...]) -> dict[str, Any]:
        chain = (*children, name)
        if name in children:
            raise ProfileError(
                f"Profiles extend each other in a circle: {' → '.join(chain)}.",
                where=self.where(children[-1], _EXTENDS),
                hint=f"Remove one '{_EXTENDS}'.",
            )
        merged: dict[str, Any] = {}
        for parent in self._parents(name):
            merged = self._over(merged, self._merged(parent, chain))
        own = {key: value for key, value in self.profiles[name].items() if key != _EXTENDS}
        return self._over(merged, own)

    def _refuse_times(self, name: str, settings: Mapping[str, Any]) -> None:
        """Point at a time that TOML took for one of its own kind of value."""
        for key, value in settings.items():
            if isinstance(value, (time, date)):
                raise ProfileError(
                    f"'{name}.{key}' is a time of TOML's own kind.",
                    where=self.where(self.table_with(name, key), key),
                    hint=f'Put it in quotes: {key} = "{value.isoformat()}".',
                )

    def _over(self, below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
        """Put a table over another one, whatever names their keys are written under."""
        executor = above.get(EXECUTOR, below.get(EXECUTOR))
        return merge_tables(without_others(below, above, executor), above)

    def _parents(self, name: str) -> Sequence[str]:
        extends = self.profiles[name].get(_EXTENDS, [])
        parents = [extends] if isinstance(extends, str) else extends
        if not isinstance(parents, list) or not all(isinstance(item, str) for item in parents):
            raise ProfileError(
                f"'{name}.{_EXTENDS}' must be a profile's name or a list of names.",
                where=self.where(name, _EXTENDS),
            )
        for parent in parents:
            if parent not in self.profiles:
                raise ProfileError(
                    f"Profile '{name}' extends '{parent}', which does not exist.",
                    where=self.where(name, _EXTENDS),
                    hint=did_you_mean(parent, set(self.profiles) - {name}),
                )
        return parents


def find_env_toml(start: Path | None = None) -> Path | None:
    """Find env.toml: the file that ``NEMOTRON_ENV`` names, else the nearest one at or above.

    Args:
        start: Folder to start from; by default the working directory.

    Returns:
        An absolute path, or None where there is no such file.

    Raises:
        ProfileError: ``NEMOTRON_ENV`` names a file that does not exist.
    """
    named = os.environ.get(FILE_VARIABLE)
    if named:
        return _named_file(Path(named).expanduser().absolute())
    folder = (start or Path.cwd()).absolute()
    candidates = (parent / FILE_NAME for parent in (folder, *folder.parents))
    return next((file for file in candidates if file.is_file()), None)


def load_env_toml(path: Path | None = None) -> EnvToml:
    """Read env.toml.

    Args:
        path: The file; by default the one that :func:`find_env_toml` finds. Where there is
            none, the result is empty.

    Raises:
        ProfileError: The file cannot be read, is no TOML, or has a key outside its tables.
    """
    file = path or find_env_toml()
    if file is None:
        return _split(Path(FILE_NAME), {}, "")
    text = _read(file)
    try:
        document = parse_toml(text)
    except TomlSyntaxError as error:
        raise ProfileError(
            f"The file is no valid TOML: {error.message}.", where=f"{file}:{error.line}"
        ) from error
    return _split(file, document, text)


def load_env_profile(name: str, path: str | Path | None = None) -> EnvProfile:
    """Load an execution profile, with everything that it extends.

    Args:
        name: The profile's name.
        path: The env.toml; by default the one that :func:`find_env_toml` finds.

    Raises:
        ProfileError: There is no env.toml, no such profile, or it cannot be used.
    """
    file = Path(path) if path is not None else find_env_toml()
    if file is None:
        raise ProfileError(
            f"There is no env.toml to find the profile '{name}' in.",
            hint=f"Create env.toml here or above with a table [{name}], or set {FILE_VARIABLE}.",
        )
    return load_env_toml(file).profile(name)


def load_wandb_settings(path: str | Path | None = None) -> Mapping[str, Any] | None:
    """Load the ``[wandb]`` section.

    Args:
        path: The env.toml; by default the one that :func:`find_env_toml` finds.

    Returns:
        The section, or None where there is no file or no such section.
    """
    settings = load_env_toml(Path(path) if path is not None else None).wandb
    return settings or None


def merge_tables(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two tables: tables key by key, everything else replaced by the upper one."""
    merged = dict(base)
    for key, value in top.items():
        below = merged.get(key)
        if isinstance(below, Mapping) and isinstance(value, Mapping):
            merged[key] = merge_tables(below, value)
        else:
            merged[key] = value
    return merged


def _is_relative(root: str) -> bool:
    return bool(root) and "://" not in root and not root.startswith(("/", "~"))


def _split(path: Path, document: Mapping[str, Any], text: str) -> EnvToml:
    for key, value in document.items():
        if not isinstance(value, dict):
            line = line_of(text, (key,))
            raise ProfileError(
                f"'{key}' stands outside of any section, or is no section.",
                where=str(path) if line is None else f"{path}:{line}",
                hint=f"Put it into a profile, or write [{key}].",
            )
    reserved = {name: document.get(name, {}) for name in RESERVED_SECTIONS}
    profiles = {name: table for name, table in document.items() if name not in reserved}
    return EnvToml(path=path, profiles=profiles, text=text, **reserved)


def _named_file(file: Path) -> Path:
    candidate = file / FILE_NAME if file.is_dir() else file
    if not candidate.is_file():
        raise ProfileError(
            f"{FILE_VARIABLE} names a file that does not exist.",
            where=str(candidate),
            hint=f"Correct or unset {FILE_VARIABLE}.",
        )
    return candidate


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ProfileError(
            "The file is not UTF-8 text.", where=str(file), hint="Save it as UTF-8."
        ) from error
    except OSError as error:
        raise ProfileError(
            f"The file cannot be read: {error.strerror}.", where=str(file)
        ) from error
