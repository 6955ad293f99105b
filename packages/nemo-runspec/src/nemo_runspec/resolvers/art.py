"""``${art:NAME,FIELD,DEFAULT}``: a field of an artifact that the configuration refers to."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemo_runspec.artifacts.settings import read_settings
from nemo_runspec.artifacts.tracking import current_tracking
from nemo_runspec.errors import ConfigError
from nemo_runspec.resolvers.owners import OWNERS
from nemo_runspec.resolvers.references import RESERVED_KEYS, is_direct, run_value


def resolve_art(
    name: Any, field: Any = "path", *default: Any, _root_: DictConfig | ListConfig
) -> Any:
    """Read a field of an artifact.

    Args:
        name: A key of the configuration's ``run`` section, a pinned reference
            (``nano3-sft-data:v2``) or a path. Both of the latter never look at ``run``.
        field: ``path`` (default), ``version``, ``name``, ``type``, ``iteration``, or any
            typed or free-form field of the artifact.
        default: At most one value: what holds where ``run`` names no artifact under the key.
        _root_: The configuration that the expression stands in; OmegaConf passes it.

    Raises:
        ConfigError: ``run`` names no artifact there, and there is no default; or there are two.
        ArtifactNotFoundError: The artifact or the field does not exist.
    """
    if len(default) > 1:
        raise ConfigError(
            f"${{art:{name},{field},…}} has {len(default)} defaults.",
            hint="Write ${art:KEY,FIELD,DEFAULT}, and quote a default that holds a comma.",
        )
    owner = _owner(_root_)
    key = str(name)
    if is_direct(key):
        return OWNERS.holder_of(key, owner).resolve(key).value(str(field))
    reference = _reference_of(_root_, key)
    if reference is not None:
        return owner.resolve(reference).value(str(field))
    if default:
        return default[0]
    raise _nothing_referred_to(_root_, key)


def _owner(root: DictConfig | ListConfig) -> ArtifactTrackingResult:
    owner = OWNERS.find(root)
    if owner is not None:
        return owner
    if isinstance(root, DictConfig) and OmegaConf.select(root, "artifacts") is not None:
        return OWNERS.find_or_open(read_settings(root))
    return current_tracking()


def _reference_of(root: DictConfig | ListConfig, key: str) -> str | None:
    return run_value(_sections(root), OWNERS.artifacts_key(root), key)


def _nothing_referred_to(root: DictConfig | ListConfig, key: str) -> ConfigError:
    artifacts_key = OWNERS.artifacts_key(root)
    section = OmegaConf.select(_sections(root), artifacts_key)
    keys = sorted(str(k) for k in section) if isinstance(section, DictConfig) else []
    known = ", ".join(k for k in keys if k not in RESERVED_KEYS) or "none"
    return ConfigError(
        f"${{art:{key}}} needs {artifacts_key}.{key}, which names no artifact.",
        hint=f"Set {artifacts_key}.{key}=NAME:VERSION or --art.{key} NAME:VERSION; "
        f"references there: {known}.",
    )


def _sections(root: DictConfig | ListConfig) -> DictConfig:
    # A list that was detached from its configuration is a root without sections.
    return root if isinstance(root, DictConfig) else OmegaConf.create({})
