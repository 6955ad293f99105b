"""The variables of a profile for whoever builds an executor alone, without a recipe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from nemo_runspec.env_toml import load_env_profile, load_env_toml
from nemo_runspec.errors import ConfigError
from nemo_runspec.execution.environment.collecting import (
    check_variables,
    is_secret,
    resolve_variables,
)
from nemo_runspec.execution.environment.huggingface import find_huggingface
from nemo_runspec.execution.environment.names import OWN_NAMES
from nemo_runspec.execution.environment.wandb import find_wandb
from nemo_runspec.execution.profiles import Profile
from nemo_runspec.redaction import known_secrets
from nemo_runspec.url_secrets import REDACTED

_KEY = "env_vars"


class BuiltVariables(dict[str, str]):
    """Variables for a container, whose texts leave the secrets out."""

    def __repr__(self) -> str:
        shown = {name: REDACTED if self._hides(name) else self[name] for name in self}
        return f"{type(self).__name__}({shown})"

    __str__ = __repr__

    def _hides(self, name: str) -> bool:
        return is_secret(name, None, self[name], known_secrets())


def build_env_vars(
    profile: str | Profile | Mapping[str, Any] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    env_file: str | Path | None = None,
) -> dict[str, str]:
    """Build what a container needs to find its services: the logins, and the profile's own.

    ``WANDB_API_KEY``, ``WANDB_PROJECT``, ``WANDB_ENTITY`` and ``HF_TOKEN`` come as they are
    found; the profile's ``env_vars`` win over them, and a null there takes one away. Names and
    values are exact; the executor's quoting is not this function's.

    Args:
        profile: A profile's name, the profile, or its keys as a mapping; None for none.
        environ: The environment to find logins in; by default the process's own.
        env_file: The env.toml; by default the one found from the working directory.

    Returns:
        Name to value. Printing it leaves the secrets out.

    Raises:
        ProfileError: There is no such profile.
        ConfigError: A name or value cannot reach a process.
    """
    variables = os.environ if environ is None else environ
    file = None if env_file is None else Path(env_file)
    built = {item.name: item.value for item in find_huggingface(variables)}
    wandb = load_env_toml(file).wandb
    built |= {item.name: item.value for item in find_wandb(wandb, variables)}
    for name, value in check_variables(_table(profile, file), key=_KEY).items():
        built.pop(name, None)
        if value is not None and name not in OWN_NAMES:
            built[name] = value
    return BuiltVariables(sorted(built.items()))


def _table(
    profile: str | Profile | Mapping[str, Any] | None, file: Path | None
) -> Mapping[Any, Any]:
    if profile is None:
        return {}
    if isinstance(profile, Profile):
        return profile.env_vars
    settings = load_env_profile(profile, file) if isinstance(profile, str) else profile
    table = settings.get(_KEY) or {}
    if not isinstance(table, Mapping):
        raise ConfigError(f"'{_KEY}' must be a table of variables.", where=_KEY)
    return resolve_variables(OmegaConf.create({_KEY: dict(table)})[_KEY], key=_KEY)
