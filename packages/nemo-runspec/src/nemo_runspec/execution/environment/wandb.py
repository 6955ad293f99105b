"""Find what lets a job track its run in W&B, as the adapter finds it or, without it, alone."""

from __future__ import annotations

import logging
import netrc
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nemo_runspec.artifacts.backends import EnvironmentBackend, find_backend
from nemo_runspec.errors import MissingDependencyError
from nemo_runspec.execution.environment.model import JobVariable
from nemo_runspec.secret_names import is_secret_key

logger = logging.getLogger(__name__)

LOGIN = "W&B login"
_BACKEND = "wandb"
_SERVER = "https://api.wandb.ai"


def find_wandb(settings: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[JobVariable, ...]:
    """Find the API key, the project, the entity, and the server where it is another one.

    Args:
        settings: ``project`` and ``entity``, those that are known.
        environ: The submitting process's environment.
    """
    known = _from_backend(settings, environ)
    if known is None:
        known = _alone(settings, environ)
    return as_variables(known)


def as_variables(known: Mapping[str, str]) -> tuple[JobVariable, ...]:
    """Describe what W&B's adapter says that a job needs."""
    return tuple(
        JobVariable(name, value, secret=is_secret_key(name), source=_source(name))
        for name, value in known.items()
    )


def _source(name: str) -> str:
    return "env.toml [wandb]" if name in {"WANDB_PROJECT", "WANDB_ENTITY"} else LOGIN


def _from_backend(
    settings: Mapping[str, Any], environ: Mapping[str, str]
) -> Mapping[str, str] | None:
    try:
        backend = find_backend(_BACKEND)
    except MissingDependencyError:
        return None
    if not isinstance(backend, EnvironmentBackend):
        return None
    return backend.job_environment(settings, environ)


def _alone(settings: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    server = (environ.get("WANDB_BASE_URL") or _SERVER).rstrip("/")
    known = {
        "WANDB_API_KEY": environ.get("WANDB_API_KEY") or _of_netrc(environ, server),
        "WANDB_PROJECT": settings.get("project"),
        "WANDB_ENTITY": settings.get("entity"),
        "WANDB_BASE_URL": None if server == _SERVER else server,
        "WANDB_MODE": environ.get("WANDB_MODE"),
    }
    return {name: str(value) for name, value in known.items() if value}


def _of_netrc(environ: Mapping[str, str], server: str) -> str | None:
    named = environ.get("NETRC")
    path = Path(named) if named else Path(environ.get("HOME") or Path.home()) / ".netrc"
    try:
        found = netrc.netrc(path).authenticators(urlsplit(server).netloc)
    except FileNotFoundError:
        return None
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
        # The text of a parser's error quotes the line, which may hold a password.
        logger.warning("%s cannot be read for W&B (%s).", path, type(error).__name__)
        return None
    return found[2] if found else None
