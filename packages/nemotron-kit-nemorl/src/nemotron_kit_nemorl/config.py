"""Configurations of NeMo-RL: what their files say of each other, and what its functions take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import BaseModel, ValidationError

from nemo_runspec.config import apply_hydra_overrides, load_config_file
from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean
from nemotron_kit_nemorl.resolvers import register_resolvers

T = TypeVar("T")

_DEFAULTS = "defaults"
_REPLACES = "_override_"


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> DictConfig:
    """Load a configuration as NeMo-RL does, with the files that it inherits from.

    ``defaults`` is a path or a list of paths; later ones win, and the file itself wins over all. A
    section with ``_override_: true`` replaces what it inherits instead of being merged into it. A
    path is relative to the file that names it; one that is not there, to the folder of ``path``, as
    releases before 0.6 have it. Interpolations and ``???`` are kept.

    Args:
        path: The file.
        overrides: Hydra's overrides, applied to the whole.

    Raises:
        ConfigError: A file is missing or malformed, or inherits from itself; or an override does
            not fit.
    """
    file = Path(path)
    return apply_hydra_overrides(_load(file, file.parent, ()), overrides)


def resolve_config(config: DictConfig) -> dict[str, Any]:
    """Resolve a configuration into plain data, ``${art:…}`` and NeMo-RL's arithmetic with it.

    Args:
        config: The configuration, after ``setup_artifact_tracking``.

    Raises:
        ConfigError: Something cannot be resolved, or a value that must be given is missing.
    """
    register_resolvers()
    try:
        plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = error.full_key or None
        said = str(error.msg).partition("\n")[0].rstrip(".")
        raise ConfigError(f"It cannot be resolved: {said}.", where=key) from error
    return dict(plain)


def make_master_config(settings: Mapping[str, Any], kind: type[T]) -> T:
    """Build what NeMo-RL's functions take: a model from 0.7 on, a mapping before.

    Args:
        settings: Plain data, as :func:`resolve_config` gives it.
        kind: The installed release's ``MasterConfig``.

    Raises:
        ConfigError: A value does not fit; the message names its key.
    """
    plain: Any = dict(settings)
    if not issubclass(kind, BaseModel):
        return plain  # type: ignore[no-any-return]
    try:
        return kind(**plain)
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        more = f" ({len(others)} more)" if others else ""
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{first['msg']}{more}.", where=key or None) from error


def _load(file: Path, first_folder: Path, line: tuple[Path, ...]) -> DictConfig:
    place = file.resolve()
    if place in line:
        names = " → ".join(each.name for each in (*line[line.index(place) :], place))
        raise ConfigError(f"The file inherits from itself: {names}.", where=str(file))
    config = load_config_file(file)
    inherited = _parents(config, file)
    config.pop(_DEFAULTS, None)
    base = OmegaConf.create({})
    for name in inherited:
        parent = _found(name, file, first_folder)
        base = _merged(base, _load(parent, first_folder, (*line, place)))
    return _merged(base, config)


def _parents(config: DictConfig, file: Path) -> list[str]:
    named = config.get(_DEFAULTS)
    listed = list(named) if isinstance(named, ListConfig) else [named]
    if named is None:
        return []
    for name in listed:
        if not isinstance(name, str):
            raise ConfigError(
                f"'{_DEFAULTS}' names files, and {name!r} is none.",
                where=str(file),
                hint="NeMo-RL has no config groups; write paths.",
            )
    return listed


def _found(name: str, file: Path, first_folder: Path) -> Path:
    for folder in (file.parent, first_folder):
        if (folder / name).is_file():
            return folder / name
    place = file.parent / name
    near = [each.name for each in place.parent.glob("*.yaml")] if place.parent.is_dir() else []
    raise ConfigError(
        f"It inherits from {name}, which is not there.",
        where=str(file),
        hint=did_you_mean(place.name, near),
    )


def _merged(base: DictConfig, config: DictConfig) -> DictConfig:
    for key in list(config):
        if OmegaConf.is_missing(config, key) or OmegaConf.is_interpolation(config, key):
            continue
        section = config[key]
        if isinstance(section, DictConfig) and section.get(_REPLACES, False):
            section.pop(_REPLACES)
            base.pop(key, None)
    merged = OmegaConf.merge(base, config)
    if not isinstance(merged, DictConfig):
        raise ConfigError("A configuration is a mapping.")
    return merged
