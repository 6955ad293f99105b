"""Keep secrets out of configurations that are written or shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.redaction import known_secrets, redact_value, redact_values


@dataclass(frozen=True, slots=True)
class SecretFound:
    """A literal secret in a configuration.

    Args:
        key: The full key that holds it.
    """

    key: str


def find_secrets(config: DictConfig, environ: Mapping[str, str] | None = None) -> list[SecretFound]:
    """Find literal secrets.

    Args:
        config: Any configuration; nothing is resolved.
        environ: The environment whose secrets are looked for; by default the process's own.

    Returns:
        One entry for each value that holds one; ``${oc.env:NAME}`` is none.
    """
    known = known_secrets(environ)
    raw = OmegaConf.to_container(config, resolve=False)
    return [
        SecretFound(".".join(path))
        for path, value in _leaves(raw)
        if redact_value(path, value, known) != value
    ]


def redact(config: DictConfig, environ: Mapping[str, str] | None = None) -> DictConfig:
    """Replace every literal secret by ``***``.

    Args:
        config: Any configuration; it is not changed, and nothing is resolved.
        environ: The environment whose secrets are looked for; by default the process's own.
    """
    content = OmegaConf.to_container(config, resolve=False)
    redacted: dict[Any, Any] = redact_values(content, environ)
    return OmegaConf.create(redacted)


def _leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, str(key)))]
    if isinstance(value, list):
        return [leaf for at, item in enumerate(value) for leaf in _leaves(item, (*path, str(at)))]
    return [(path, value)]
