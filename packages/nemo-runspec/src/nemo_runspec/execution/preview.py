"""A train configuration as its job will see it, for people to read before anything runs."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.config import redact, redact_text
from nemo_runspec.config.deferral import ART, ENV, Deferral, Path
from nemo_runspec.config.escaping import escape_values
from nemo_runspec.config.source import source_file
from nemo_runspec.errors import ConfigError
from nemo_runspec.resolvers import register_resolvers_from_config
from nemo_runspec.resolvers.registration import register_resolvers

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
    left = {ENV, ART} if unknown else {ENV}
    deferral = Deferral(config, source_file(config), frozenset(left))
    filled: dict[str, Any] = _filled(deferral, (), deferral.raw)
    return filled


def _filled(deferral: Deferral, path: Path, raw: Any) -> Any:
    if isinstance(raw, dict):
        return {name: _filled(deferral, (*path, name), each) for name, each in raw.items()}
    if isinstance(raw, list):
        return [_filled(deferral, (*path, at), each) for at, each in enumerate(raw)]
    if not isinstance(raw, str) or "$" not in raw:
        return raw
    try:
        # What it reads of the environment through other keys may be a secret as well.
        if deferral.of(path):
            return raw
        return escape_values(_without_secrets(deferral.resolve(path)))
    except OmegaConfBaseException as error:
        raise _explained(error, _key(path)) from error


def _key(path: Path) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return "".join(parts).lstrip(".")


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return redact_text(value) if isinstance(value, str) else value


def _explained(error: OmegaConfBaseException, key: str) -> ConfigError:
    # OmegaConf drops a resolver's exception and keeps its text behind a prefix.
    sentence = _RESOLVER_PREFIX.sub("", str(error).strip().splitlines()[0]).rstrip(".")
    return ConfigError(f"The value cannot be resolved: {sentence}.", where=key)
