"""What a driver of NeMo-RL reads of a recipe's configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.config.environment import resolve_but_environment
from nemo_runspec.config.secrets import find_secrets
from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import nearest
from nemotron_kit_nemorl.resolvers import register_resolvers

SECTION = "nemo_rl"
OURS = ("run", "artifacts", SECTION)

_OURS = "|".join(OURS)
_WHOLE = re.compile(rf"\$\{{((?:{_OURS})\.[\w.]+)\}}")
_PART = re.compile(rf"\$\{{((?:{_OURS})\.[^}}]*)\}}")


def driver_settings(config: DictConfig) -> dict[str, Any]:
    """Reduce a configuration to the framework's own sections.

    References to artifacts are paths by then. What depends on the environment stays text, which
    the driver resolves: a secret is in no file.

    Args:
        config: The configuration, after ``setup_artifact_tracking``.

    Raises:
        ConfigError: A value cannot be resolved, or holds a secret as it is.
    """
    register_resolvers()
    every = resolve_but_environment(config)
    kept = {key: value for key, value in every.items() if key not in OURS}
    settings: dict[str, Any] = _without_ours(kept, every, ())
    for found in find_secrets(OmegaConf.create(settings)):
        raise ConfigError(
            "This is a secret, and would be written into a file.",
            where=found.key,
            hint="Write ${oc.env:NAME}, and set that variable for the job.",
        )
    return settings


def unknown_keys(settings: Mapping[str, Any], base: DictConfig) -> Iterator[tuple[str, str]]:
    """Find keys that NeMo-RL's own configuration lacks, where one there looks like them.

    Keys that need not be there are many, so that an unknown one alone says nothing.

    Args:
        settings: What is laid above it.
        base: NeMo-RL's own.

    Yields:
        The full key, and the other.
    """
    yield from _unknown(settings, OmegaConf.to_container(base, resolve=False), ())


def _unknown(above: Any, below: Any, path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not isinstance(above, Mapping) or not isinstance(below, Mapping):
        return
    for key, value in above.items():
        place = (*path, str(key))
        if key in below:
            yield from _unknown(value, below[key], place)
            continue
        near = nearest(str(key), (str(other) for other in below if other not in above))
        if near is not None:
            yield ".".join(place), near


def _without_ours(value: Any, every: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    """Put what a text refers to in our sections in its place: the driver does not get them."""
    if isinstance(value, dict):
        return {key: _without_ours(each, every, (*path, key)) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_ours(each, every, (*path, str(at))) for at, each in enumerate(value)]
    if not isinstance(value, str):
        return value
    while isinstance(value, str) and (whole := _WHOLE.fullmatch(value)):
        value = reduce(lambda section, key: section[key], whole[1].split("."), every)
    if isinstance(value, str) and (left := _PART.search(value)):
        raise ConfigError(
            f"It depends on {left[1]} and through it on the environment, which the driver lacks.",
            where=".".join(path),
            hint=f"Write what {left[1]} says in its place.",
        )
    return value
