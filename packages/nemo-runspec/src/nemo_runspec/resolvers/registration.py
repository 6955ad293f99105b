"""Register the resolvers with OmegaConf, and resolve a configuration's references up front."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, get_args

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts.backends import ResolutionMode
from nemo_runspec.artifacts.filesystem import register_filesystem
from nemo_runspec.artifacts.formats import check_format, format_needs
from nemo_runspec.artifacts.opening import open_tracking, share_tracking
from nemo_runspec.artifacts.scope import CURRENT
from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemo_runspec.artifacts.settings import TrackingSettings, read_settings
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.distributed import once_per_job
from nemo_runspec.errors import ConfigError
from nemo_runspec.resolvers.art import resolve_art
from nemo_runspec.resolvers.auto_mount import resolve_auto_mount
from nemo_runspec.resolvers.mul import multiply
from nemo_runspec.resolvers.owners import OWNERS
from nemo_runspec.resolvers.references import references_of, run_value


def register_resolvers_from_config(
    config: DictConfig, artifacts_key: str = "run", mode: ResolutionMode | None = None
) -> list[str]:
    """Register ``art``, ``mul`` and ``auto_mount``, and resolve what a configuration refers to.

    In a distributed job rank 0 resolves and the other ranks take over its result.

    Args:
        config: The configuration; it is not changed.
        artifacts_key: The section that holds the references.
        mode: How W&B is asked where it is active: ``active_run`` through the run that exists,
            ``pre_init`` before ``wandb.init``; ``local`` reads paths only. By default the
            active backends decide.

    Returns:
        The full names of the artifacts that the configuration refers to.

    Raises:
        ArtifactNotFoundError: A reference means nothing.
        ConfigError: There is no such mode.
    """
    if mode is not None and mode not in get_args(ResolutionMode):
        raise ConfigError(
            f"There is no resolution mode {mode!r}.",
            hint=f"Use one of {', '.join(get_args(ResolutionMode))}, or none.",
        )
    owner = OWNERS.find(config)
    if owner is None or mode is not None:
        owner = start_tracking(config, artifacts_key=artifacts_key, mode=mode)
    else:
        _resolve_all(owner, _keys_of(config, owner, artifacts_key))
    return list(owner.qualified_names)


def start_tracking(
    config: DictConfig, *, artifacts_key: str, mode: ResolutionMode | None = None
) -> ArtifactTrackingResult:
    """Open a configuration's backends, resolve its references, and make it current.

    Args:
        config: The configuration.
        artifacts_key: The section that holds the references.
        mode: As for :func:`register_resolvers_from_config`.

    Raises:
        ArtifactNotFoundError: A reference means nothing.
        ArtifactError: A model has another format than the recipe reads.
    """
    register_resolvers()
    is_local = mode == "local"
    settings = TrackingSettings(root=None) if is_local else read_settings(config, artifacts_key)
    tracking = open_tracking(settings, config=config, artifacts_key=artifacts_key, mode=mode)
    keys = _keys_of(config, tracking, artifacts_key)
    share_tracking(tracking, artifacts_key, keys)
    _resolve_all(tracking, keys)
    _check_formats(config, tracking, artifacts_key)
    OWNERS.assign(config, tracking, artifacts_key)
    tracking.make_current()
    return tracking


def register_resolvers() -> None:
    """Register the resolvers and the ``art://`` file system.

    A ``mul`` that a framework registered first is kept.
    """
    register_filesystem()
    register_resolver("art", resolve_art)
    register_resolver("auto_mount", resolve_auto_mount)
    if not OmegaConf.has_resolver("mul"):
        register_resolver("mul", multiply)


def clear_artifact_cache() -> None:
    """Look every reference up again when it is next used, ``latest`` among them."""
    current = CURRENT.get()
    for tracking in [*OWNERS.all(), *([] if current is None else [current])]:
        tracking.forget_resolutions()


def _keys_of(config: DictConfig, tracking: ArtifactTrackingResult, artifacts_key: str) -> list[str]:
    texts = references_of(config, artifacts_key).values()
    return sorted({tracking.split(text)[0] for text in texts})


def _resolve_all(tracking: ArtifactTrackingResult, keys: list[str]) -> None:
    if not keys:
        return

    def resolve() -> dict[str, Any]:
        return {key: asdict(tracking.resolve(key)) for key in keys}

    shared = once_per_job(json.dumps([tracking.topic, keys]), resolve)
    found = {key: ResolvedArtifact(**shared[key]) for key in keys}
    for key, resolved in found.items():
        tracking.adopt(key, resolved)
    names = [item.qualified_name for item in found.values() if item.qualified_name]
    tracking.qualified_names = list(dict.fromkeys(names))


def _check_formats(
    config: DictConfig, tracking: ArtifactTrackingResult, artifacts_key: str
) -> None:
    """Check what could not be looked up where the job was submitted."""
    for key, need in format_needs(config, artifacts_key).items():
        reference = run_value(config, artifacts_key, key)
        if reference is not None:
            check_format(key, tracking.resolve(reference), need)


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Register one resolver in place of any of that name, with each version of OmegaConf."""
    # OmegaConf 2.4 renamed register_new_resolver to register_resolver, a name that 2.3 has for
    # something else: the two are told apart by their parameters.
    register: Callable[..., None] = OmegaConf.register_resolver
    if "replace" not in inspect.signature(register).parameters:
        register = OmegaConf.register_new_resolver
    register(name, resolver, replace=True, use_cache=False)
