"""A train configuration as its job will see it, for people to read before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from omegaconf import Container, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.config import redact, redact_text
from nemo_runspec.config.escaping import escape_values
from nemo_runspec.errors import ConfigError
from nemo_runspec.resolvers import register_resolvers_from_config
from nemo_runspec.resolvers.registration import register_resolvers

_ENVIRONMENT = "oc.env"
_TARGETS_OWN = (_ENVIRONMENT, "art:")
_UNSET_VARIABLE = "Environment variable"
_RESOLVER_PREFIX = re.compile(r"^\w+ raised while resolving interpolation: ")


def preview_config(train: DictConfig, *, unknown: Collection[str] = ()) -> dict[str, Any]:
    """Resolve a train configuration as far as this machine can, without its secrets.

    Interpolations on the environment of the job stay as they are written; the result, written
    as YAML, loads back as what is shown.

    Args:
        train: What ``extract_train_config`` made; it is not changed.
        unknown: References that only the machine of the job can look up; where there are any,
            what reads an artifact stays as it is written.

    Raises:
        ArtifactNotFoundError: An artifact does not exist.
        ConfigError: An interpolation cannot be resolved; the message names its key.
    """
    config = redact(train)
    if unknown:
        register_resolvers()
    else:
        register_resolvers_from_config(config)
    raw = OmegaConf.to_container(config, resolve=False)
    kept = _TARGETS_OWN if unknown else (_ENVIRONMENT,)
    filled: dict[str, Any] = _fill(config, raw, "", kept)
    return filled


def _fill(node: Any, raw: Any, key: str, kept: Sequence[str]) -> Any:
    if isinstance(raw, dict):
        return {
            name: _item(node, name, value, f"{key}.{name}", kept) for name, value in raw.items()
        }
    return [_item(node, index, value, f"{key}[{index}]", kept) for index, value in enumerate(raw)]


def _item(parent: Any, name: Any, raw: Any, key: str, kept: Sequence[str]) -> Any:
    if isinstance(raw, dict | list):
        return _fill(parent[name], raw, key, kept)
    if not isinstance(raw, str) or "$" not in raw or any(word in raw for word in kept):
        return raw
    try:
        value = parent[name]
    except OmegaConfBaseException as error:
        if _UNSET_VARIABLE in str(error):
            return raw
        raise _explained(error, key) from error
    plain = OmegaConf.to_container(value, resolve=True) if isinstance(value, Container) else value
    return escape_values(_without_secrets(plain))


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def _explained(error: OmegaConfBaseException, key: str) -> ConfigError:
    # OmegaConf drops a resolver's exception and keeps its text behind a prefix.
    sentence = _RESOLVER_PREFIX.sub("", str(error).strip().splitlines()[0]).rstrip(".")
    return ConfigError(f"The value cannot be resolved: {sentence}.", where=key.lstrip("."))
