"""What W&B would refuse in a job, said when the job is submitted."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from nemo_runspec.artifacts.backends import Preflight
from nemo_runspec.env_toml import load_env_toml
from nemotron_kit_wandb.access import examine_wandb_access
from nemotron_kit_wandb.config import WandbConfig
from nemotron_kit_wandb.credentials import (
    DEFAULT_SERVER,
    WandbCredentialsError,
    WandbEnvironment,
    find_api_key,
    find_mode,
    find_server,
    wandb_env,
)

logger = logging.getLogger(__name__)

_NO_SERVER = {
    "offline": "the job's run is kept in its folder, for `wandb sync`",
    "disabled": "nothing is recorded in W&B",
}


def preflight(
    settings: Mapping[str, Any],
    *,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = 5.0,
) -> Preflight:
    """Check what a job needs to track its run, and collect the variables that it needs.

    The server is asked once, where the client's mode is not ``offline`` or ``disabled``.

    Args:
        settings: ``project`` and ``entity``, those that are known.
        environ: The environment; by default the process's own.
        timeout_s: How long the server has to answer, in seconds.

    Returns:
        The variables, and whether the server could not be asked.

    Raises:
        WandbCredentialsError: The key is missing, cannot be one or is unknown to the server; the
            project or the entity is missing; or the entity is not the user's.
    """
    variables = os.environ if environ is None else environ
    config = WandbConfig(project=settings.get("project"), entity=settings.get("entity"))
    if not config.enabled:
        raise WandbCredentialsError(
            "artifacts.wandb is true, and no W&B project is named.",
            where="env.toml [wandb]",
            hint='Add `project = "NAME"` there, or set artifacts.wandb=false.',
        )
    mode = find_mode(variables)
    if mode in _NO_SERVER:
        return _without_server(config, variables, mode)
    access = examine_wandb_access(config, environ=variables, timeout_s=timeout_s)
    known = replace(config, entity=access.entity or config.entity)
    environment = wandb_env(known, environ=variables)
    return Preflight(environment=environment, unreachable=access.problem)


def advice(environ: Mapping[str, str] | None = None) -> Sequence[str]:
    """Say what may be a slip where W&B is neither asked for nor turned off; no server is asked.

    Args:
        environ: The environment; by default the process's own.
    """
    try:
        key = find_api_key(environ)
    except WandbCredentialsError as error:
        logger.debug("The key of W&B, which is off, cannot be one: %s", error)
        return ()
    if key is None or load_env_toml().wandb:
        return ()
    sentence = (
        f"A W&B API key was found ({key.source}), but env.toml has no [wandb] section: nothing is "
        'tracked there. Add `[wandb]` with `project = "NAME"` and `wandb = true` under '
        "`[artifacts]`, or `wandb = false` there to say that this is meant."
    )
    return (sentence,)


def job_environment(settings: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Collect what lets a job use W&B, whether we track it there or a framework does.

    No server is asked, and what is missing or unusable is left out: only a job that is to be
    tracked is checked, by :func:`preflight`.

    Args:
        settings: ``project`` and ``entity``, those that are known.
        environ: The submitting process's environment.
    """
    named = {
        "WANDB_PROJECT": settings.get("project"),
        "WANDB_ENTITY": settings.get("entity"),
        "WANDB_MODE": environ.get("WANDB_MODE"),
    }
    known = WandbEnvironment({name: str(value) for name, value in named.items() if value})
    try:
        key = find_api_key(environ)
    except WandbCredentialsError as error:
        logger.warning("A W&B API key was found that cannot be one: %s", error)
        return known
    if key is not None:
        known["WANDB_API_KEY"] = key.value
    server = find_server(environ)
    if server != DEFAULT_SERVER:
        known["WANDB_BASE_URL"] = server
    return known


def _without_server(config: WandbConfig, variables: Mapping[str, str], mode: str) -> Preflight:
    has_key = find_api_key(variables) is not None
    named = {"WANDB_PROJECT": config.project, "WANDB_ENTITY": config.entity}
    environment = {name: value for name, value in named.items() if value}
    return Preflight(
        warnings=(f"The W&B client is {mode}: {_NO_SERVER[mode]}.",),
        environment=wandb_env(config, environ=variables) if has_key else environment,
    )
