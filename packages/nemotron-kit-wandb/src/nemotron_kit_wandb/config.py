"""Which W&B project a run goes to, and the ``[wandb]`` section of env.toml that says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from nemo_runspec.env_toml import load_wandb_settings
from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean

_SECTION = "env.toml [wandb]"


@dataclass(frozen=True)
class WandbConfig:
    """Where a run is tracked, and what it is called there.

    Attributes:
        project: The project; without one, tracking is off.
        entity: The team or user; by default that of the API key.
        run_name: The run's display name; by default W&B chooses.
        tags: Tags to filter runs by.
        notes: A description of the run.
    """

    project: str | None = None
    entity: str | None = None
    run_name: str | None = None
    tags: tuple[str, ...] = ()
    notes: str | None = None

    @property
    def enabled(self) -> bool:
        """Whether runs are tracked: a project is set."""
        return bool(self.project)


def load_wandb_config(path: str | Path | None = None) -> WandbConfig | None:
    """Read the ``[wandb]`` section of env.toml.

    Args:
        path: The env.toml; by default the nearest one at or above the working directory, or the
            one that ``NEMOTRON_ENV`` names.

    Returns:
        The configuration, or None where there is no file or no such section.

    Raises:
        ConfigError: The section has an unknown key, or a value of the wrong kind.
    """
    settings = load_wandb_settings(path)
    if settings is None:
        return None
    _refuse_unknown(settings)
    return WandbConfig(
        project=_text(settings, "project"),
        entity=_text(settings, "entity"),
        run_name=_text(settings, "run_name"),
        tags=_texts(settings, "tags"),
        notes=_text(settings, "notes"),
    )


def _refuse_unknown(settings: Mapping[str, Any]) -> None:
    names = {field.name for field in fields(WandbConfig)}
    for key in settings:
        if key not in names:
            raise ConfigError(
                f"Unknown key '{key}'.", where=_SECTION, hint=did_you_mean(key, names)
            )


def _text(settings: Mapping[str, Any], key: str) -> str | None:
    value = settings.get(key)
    if value is None or isinstance(value, str):
        return value
    raise ConfigError(f"'{key}' must be a string.", where=_SECTION)


def _texts(settings: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = settings.get(key, [])
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise ConfigError(f"'{key}' must be a list of strings.", where=_SECTION)
