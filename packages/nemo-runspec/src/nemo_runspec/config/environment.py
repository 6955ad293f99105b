"""A configuration for a file that others may read: everything resolved but the environment."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.config.deferral import ENV, Deferral, Path
from nemo_runspec.config.direct import with_direct_references
from nemo_runspec.config.escaping import escape_values
from nemo_runspec.config.files import first_line
from nemo_runspec.config.source import source_file
from nemo_runspec.errors import ConfigError


def resolve_but_environment(config: DictConfig) -> dict[Any, Any]:
    """Resolve a configuration, artifacts too, and leave what reads the environment as text.

    A value that reads ``oc.env``, itself or through keys that it refers to, may be a secret; it
    stays the interpolation that it is, for a process that has the environment. So does a value
    that is missing (``???``). Texts are escaped, so that OmegaConf reads them back as they are.

    Args:
        config: The configuration, after the resolvers that it uses were registered.

    Returns:
        Plain mappings, lists and values.

    Raises:
        ConfigError: A value cannot be resolved; the message names its key, and the file where
            known.
    """
    deferral = Deferral(config, source_file(config), frozenset({ENV}))
    resolved: dict[Any, Any] = _resolved(deferral, (), deferral.raw)
    return resolved


def _resolved(deferral: Deferral, path: Path, raw: Any) -> Any:
    if isinstance(raw, dict):
        return {key: _resolved(deferral, (*path, key), value) for key, value in raw.items()}
    if isinstance(raw, list):
        return [_resolved(deferral, (*path, at), value) for at, value in enumerate(raw)]
    if not isinstance(raw, str) or "${" not in raw or deferral.is_literal(raw):
        return raw
    try:
        if deferral.of(path):
            return with_direct_references(raw, path, deferral)
        return escape_values(deferral.resolve(path))
    except OmegaConfBaseException as error:
        key = ".".join(str(part) for part in path)
        raise ConfigError(
            f"'{key}: {raw}' cannot be resolved: {first_line(error)}.",
            where=source_file(deferral.job),
        ) from error
