"""Ask the W&B server, before a job is sent off, whether it would let it in."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from nemo_runspec.suggest import did_you_mean
from nemotron_kit_wandb.calling import WandbUnreachableError, within
from nemotron_kit_wandb.config import WandbConfig
from nemotron_kit_wandb.credentials import ApiKey, WandbCredentialsError, find_api_key, wandb_env

logger = logging.getLogger(__name__)

# What the client itself asks first.
_QUERY = "query Viewer { viewer { username entity teams { edges { node { name } } } } }"

_NO_ANSWER = (OSError, HTTPException, ValueError, LookupError, TypeError)


@dataclass(frozen=True)
class Access:
    """What the server says of a job's key.

    Attributes:
        entity: Where runs go; None where the server did not say.
        problem: Why the server could not be asked; None where it was.
    """

    entity: str | None = None
    problem: str | None = None


def check_wandb_access(
    config: WandbConfig, *, environ: Mapping[str, str] | None = None, timeout_s: float = 5.0
) -> None:
    """Fail now, in one sentence, where the job would fail later.

    A server that cannot be reached, or answers nothing useful, is warned about and nothing more:
    it may be there when the job runs.

    Args:
        config: Where runs go.
        environ: The environment; by default the process's own.
        timeout_s: How long the server has to answer, in seconds.

    Raises:
        WandbCredentialsError: The key or the project is missing, the server does not know the key,
            or its user is in no such entity.
    """
    access = examine_wandb_access(config, environ=environ, timeout_s=timeout_s)
    if access.problem is not None:
        logger.warning("%s", access.problem)


def examine_wandb_access(
    config: WandbConfig, *, environ: Mapping[str, str] | None = None, timeout_s: float = 5.0
) -> Access:
    """Ask the server what :func:`check_wandb_access` asks, and say what it said.

    Args:
        config: Where runs go.
        environ: The environment; by default the process's own.
        timeout_s: How long the server has to answer, in seconds.

    Raises:
        WandbCredentialsError: As for :func:`check_wandb_access`; or no entity is named, and the
            key's user has no default one.
    """
    wandb_env(config, environ=environ)
    key = find_api_key(environ)
    if key is None:
        return Access()
    try:
        # A socket's own limit holds for each of its steps, this one for all of them.
        viewer = within(timeout_s, lambda: _viewer(key, timeout_s), what="answer")
    except HTTPError as error:
        error.close()
        problem = f"W&B at {key.server} answers {error.code}; the key is not checked."
        return Access(problem=problem)
    except (*_NO_ANSWER, WandbUnreachableError) as error:
        return Access(problem=f"W&B at {key.server} cannot be asked ({_reason(error)}).")
    return Access(_entity(config, key, viewer))


@dataclass(frozen=True)
class _Viewer:
    """The user that a key belongs to."""

    username: str | None
    default_entity: str | None
    entities: frozenset[str]


def _entity(config: WandbConfig, key: ApiKey, viewer: _Viewer | None) -> str:
    if viewer is None:
        raise WandbCredentialsError(
            f"W&B at {key.server} does not know the API key.",
            where=key.source,
            hint="Run `wandb login --relogin`, or set WANDB_API_KEY to a key of that server.",
        )
    known = f"It can be one of: {', '.join(sorted(viewer.entities))}."
    if config.entity is not None and config.entity not in viewer.entities:
        raise WandbCredentialsError(
            f"The W&B user {viewer.username} is in no entity '{config.entity}'.",
            where="env.toml [wandb]",
            hint=did_you_mean(config.entity, viewer.entities) or known,
        )
    entity = config.entity or viewer.default_entity
    if not entity:
        raise WandbCredentialsError(
            f"The entity is missing: the W&B user {viewer.username} has no default one.",
            where="env.toml [wandb]",
            hint=f'Add `entity = "NAME"`. {known}',
        )
    return entity


class _NoRedirects(HTTPRedirectHandler):
    """The key goes to nobody but the server that it is for."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def _viewer(key: ApiKey, timeout_s: float) -> _Viewer | None:
    """The key's user; None where the server knows no such key."""
    login = base64.b64encode(f"api:{key.value}".encode()).decode()
    request = Request(  # noqa: S310 - the user's own server
        f"{key.server}/graphql",
        data=json.dumps({"query": _QUERY}).encode(),
        headers={"Authorization": f"Basic {login}", "Content-Type": "application/json"},
    )
    try:
        with build_opener(_NoRedirects).open(request, timeout=timeout_s) as reply:
            viewer = json.load(reply)["data"]["viewer"]
    except HTTPError as error:
        if error.code != HTTPStatus.UNAUTHORIZED:
            raise
        error.close()
        return None
    return None if viewer is None else _parsed(viewer)


def _parsed(viewer: Mapping[str, Any]) -> _Viewer:
    teams = [edge["node"]["name"] for edge in viewer["teams"]["edges"]]
    username, default = viewer["username"], viewer["entity"]
    entities = frozenset(name for name in (username, default, *teams) if name)
    return _Viewer(username, default, entities)


def _reason(error: BaseException) -> str:
    cause = error.reason if isinstance(error, URLError) else error
    if isinstance(cause, WandbUnreachableError | TimeoutError):
        return "no answer in time"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    return type(cause).__name__
