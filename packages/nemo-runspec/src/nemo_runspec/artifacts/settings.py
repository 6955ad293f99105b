"""Which tracking backends a configuration asks for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.artifacts.paths import expand_home, is_uri
from nemo_runspec.env_toml import load_env_toml, load_wandb_settings, merge_tables
from nemo_runspec.errors import ConfigError

# Where artifacts are recorded below the working directory when nothing says otherwise.
EMBEDDED_ROOT = "artifacts"

_SECTION = "artifacts"
_SECTION_KEYS = frozenset({"manifest", "wandb"})
_MANIFEST_KEYS = frozenset({"root", "single_writer"})


@dataclass(frozen=True)
class TrackingSettings:
    """The backends of one configuration.

    Attributes:
        root: The manifest root; None turns manifests off.
        wandb: Whether W&B is asked for.
        single_writer: That nothing else writes to the root at the same time.
        wandb_project: The W&B project; None where none is named, or W&B is off.
        wandb_entity: The W&B team or user; None for that of the API key.
    """

    root: str | None
    wandb: bool = False
    single_writer: bool = False
    wandb_project: str | None = None
    wandb_entity: str | None = None

    @property
    def wandb_section(self) -> dict[str, str]:
        """What W&B is opened with, see :class:`~nemo_runspec.artifacts.backends.BackendSetup`."""
        named = {"project": self.wandb_project, "entity": self.wandb_entity}
        return {key: value for key, value in named.items() if value is not None}


def read_settings(config: DictConfig, artifacts_key: str = "run") -> TrackingSettings:
    """Read the ``artifacts`` section, with the environment's defaults below it.

    The root comes from the configuration where it has the key (null turns manifests off), else
    from ``NEMOTRON_ARTIFACTS_ROOT``, else from ``[artifacts]`` in env.toml. A section that is
    null turns everything off. The W&B project and entity come from ``run.wandb``, else from
    ``WANDB_PROJECT`` and ``WANDB_ENTITY``, else from ``[wandb]`` in env.toml.

    Args:
        config: The configuration.
        artifacts_key: The section that holds ``wandb`` beside the references.

    Raises:
        ConfigError: The section has an unknown key or a value of the wrong type.
    """
    own = OmegaConf.select(config, _SECTION)
    if own is None and _SECTION in config:
        return TrackingSettings(root=None)
    section = merge_tables(_section(load_env_toml().artifact_defaults()), _section(own))
    manifest = _manifest(section.get("manifest"))
    root = manifest.get("root")
    if root is not None and not isinstance(root, str):
        raise ConfigError(
            f"The artifact root must be a path, a URL or null, not {root!r}.",
            where="artifacts.manifest.root",
        )
    wandb = _switch(section.get("wandb"), "artifacts.wandb")
    return TrackingSettings(
        root=None if root is None else _absolute(root),
        wandb=wandb,
        single_writer=_switch(manifest.get("single_writer"), "artifacts.manifest.single_writer"),
        wandb_project=_wandb_name(config, artifacts_key, "project") if wandb else None,
        wandb_entity=_wandb_name(config, artifacts_key, "entity") if wandb else None,
    )


def environment_settings() -> TrackingSettings:
    """The backends that the environment alone asks for."""
    return read_settings(OmegaConf.create({}))


def _wandb_name(config: DictConfig, artifacts_key: str, key: str) -> str | None:
    own = f"{artifacts_key}.wandb.{key}"
    try:
        named = OmegaConf.select(config, own)
    except OmegaConfBaseException as error:
        raise _unresolved(error, own) from error
    found = (
        named or os.environ.get(f"WANDB_{key.upper()}") or (load_wandb_settings() or {}).get(key)
    )
    if found and not isinstance(found, str):
        raise ConfigError(f"It must be a name or null, not {found!r}.", where=own)
    return found or None


def _absolute(root: str) -> str:
    """Fix where a relative root lies: another process may stand in another folder."""
    return root if is_uri(root) or not root else str(expand_home(Path(root)).absolute())


def _switch(value: Any, where: str) -> bool:
    if not isinstance(value, bool | None):
        raise ConfigError(f"It must be true or false, not {value!r}.", where=where)
    return bool(value)


def _section(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if isinstance(value, DictConfig):
        value = _resolved(value)
    if not isinstance(value, Mapping):
        raise ConfigError(
            f"The section must be a mapping, not {value!r}.",
            where="artifacts",
            hint="Write artifacts.manifest.root=PATH and artifacts.wandb=true|false.",
        )
    _refuse_unknown(value, _SECTION_KEYS, "artifacts")
    return {str(key): item for key, item in value.items()}


def _resolved(section: DictConfig) -> Any:
    try:
        return OmegaConf.to_container(section, resolve=True)
    except OmegaConfBaseException as error:
        raise _unresolved(error, "artifacts") from error


def _unresolved(error: OmegaConfBaseException, where: str) -> ConfigError:
    sentence = str(error).partition("\n")[0].rstrip(".")
    return ConfigError(f"The value cannot be resolved: {sentence}.", where=error.full_key or where)


def _manifest(manifest: Any) -> dict[str, Any]:
    if manifest is None:
        return {}
    if not isinstance(manifest, Mapping):
        raise ConfigError(
            f"The section must be a mapping, not {manifest!r}.",
            where="artifacts.manifest",
            hint="Write artifacts.manifest.root=PATH.",
        )
    _refuse_unknown(manifest, _MANIFEST_KEYS, "artifacts.manifest")
    return dict(manifest)


def _refuse_unknown(section: Mapping[Any, Any], known: frozenset[str], where: str) -> None:
    unknown = sorted(str(key) for key in set(section) - known)
    if unknown:
        raise ConfigError(
            f"There is no key {unknown[0]!r}.",
            where=where,
            hint=f"Known: {', '.join(sorted(known))}.",
        )
