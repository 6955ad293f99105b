"""The aliases that a job gives to what it records: ``run.aliases``."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.artifacts.reference import check_alias
from nemo_runspec.errors import ConfigError, InvalidReferenceError

ALIASES_KEY = "aliases"


def read_aliases(config: DictConfig, artifacts_key: str = "run") -> tuple[str, ...]:
    """Read which aliases move to each version that a job records.

    Args:
        config: The job's configuration.
        artifacts_key: The section that holds them beside the references.

    Raises:
        ConfigError: The value is no list of aliases.
    """
    where = f"{artifacts_key}.{ALIASES_KEY}"
    try:
        value = OmegaConf.select(config, where)
        plain = OmegaConf.to_container(value, resolve=True) if OmegaConf.is_list(value) else value
    except OmegaConfBaseException as error:
        sentence = str(error).partition("\n")[0].rstrip(".")
        raise ConfigError(f"The value cannot be resolved: {sentence}.", where=where) from error
    if plain is None:
        return ()
    if not isinstance(plain, list):
        raise ConfigError(
            f"It must be a list of aliases, not {plain!r}.", where=where, hint="Write [candidate]."
        )
    return tuple(dict.fromkeys(_checked(alias, where) for alias in plain))


def _checked(alias: Any, where: str) -> str:
    if not isinstance(alias, str):
        raise ConfigError(f"{alias!r} is no alias.", where=where, hint="Choose a word.")
    try:
        return check_alias(alias)
    except InvalidReferenceError as error:
        raise ConfigError(error.what, where=where, hint=error.hint) from error
