"""Which tracking backends a configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.artifacts.paths import expand_home, is_uri
from nemo_runspec.env_toml import load_env_toml, merge_tables
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
    """

    root: str | None
    wandb: bool = False
    single_writer: bool = False


def read_settings(config: DictConfig) -> TrackingSettings:
    """Read the ``artifacts`` section, with the environment's defaults below it.

    The root comes from the configuration where it has the key (null turns manifests off), else
    from ``NEMOTRON_ARTIFACTS_ROOT``, else from ``[artifacts]`` in env.toml. A section that is
    null turns everything off.

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
    return TrackingSettings(
        root=None if root is None else _absolute(root),
        wandb=_switch(section.get("wandb"), "artifacts.wandb"),
        single_writer=_switch(manifest.get("single_writer"), "artifacts.manifest.single_writer"),
    )


def environment_settings() -> TrackingSettings:
    """The backends that the environment alone asks for."""
    return read_settings(OmegaConf.create({}))


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
        sentence = str(error).partition("\n")[0].rstrip(".")
        raise ConfigError(
            f"The value cannot be resolved: {sentence}.", where=error.full_key or "artifacts"
        ) from error


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
