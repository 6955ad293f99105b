"""Find the W&B API key, and hand a job what it needs; without importing wandb.

The places and their order are the client's own: the environment, netrc by the server's host and
port, and the client's settings files.
"""

from __future__ import annotations

import configparser
import logging
import netrc
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from nemo_runspec.errors import UsageError
from nemotron_kit_wandb.config import WandbConfig

logger = logging.getLogger(__name__)

DEFAULT_SERVER = "https://api.wandb.ai"
_SHORTEST = 40
_OTHER_MODES = {"dryrun": "offline", "run": "online"}
_JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+")
_CURE = "Run `wandb login`, or set WANDB_API_KEY."


class WandbCredentialsError(UsageError):
    """W&B would not let the job in, or there is nothing to log in with."""


@dataclass(frozen=True)
class ApiKey:
    """An API key, which no text of this object shows.

    Attributes:
        value: The key itself.
        source: Where it was found.
        server: The server that it is for.
    """

    value: str = field(repr=False)
    source: str
    server: str


class WandbEnvironment(dict[str, str]):
    """Variables for a job, whose texts leave the key out."""

    def __repr__(self) -> str:
        shown = {name: "***" if name == "WANDB_API_KEY" else self[name] for name in self}
        return f"{type(self).__name__}({shown})"

    __str__ = __repr__


def find_api_key(environ: Mapping[str, str] | None = None) -> ApiKey | None:
    """Find the API key as the client would.

    Args:
        environ: The environment; by default the process's own.

    Returns:
        The key, or None where there is none.

    Raises:
        WandbCredentialsError: The key that was found cannot be one.
    """
    variables = os.environ if environ is None else environ
    settings = _settings(variables)
    server = find_server(variables)
    found = (
        (variables.get("WANDB_API_KEY"), "WANDB_API_KEY"),
        _of_netrc(variables, server),
        (settings.get("api_key"), "the settings file of wandb"),
    )
    for value, source in found:
        if value:
            return ApiKey(_checked(value, source), source, server)
    return None


def require_api_key(environ: Mapping[str, str] | None = None) -> ApiKey:
    """Find the API key as the client would.

    Args:
        environ: The environment; by default the process's own.

    Raises:
        WandbCredentialsError: There is none, or it cannot be one.
    """
    key = find_api_key(environ)
    if key is None:
        server = find_server(environ)
        raise WandbCredentialsError(f"No W&B API key was found for {server}.", hint=_CURE)
    return key


def find_server(environ: Mapping[str, str] | None = None) -> str:
    """Find the address of the W&B server as the client would.

    Args:
        environ: The environment; by default the process's own.
    """
    variables = os.environ if environ is None else environ
    named = variables.get("WANDB_BASE_URL") or _settings(variables).get("base_url")
    return (named or DEFAULT_SERVER).rstrip("/")


def find_mode(environ: Mapping[str, str] | None = None) -> str:
    """Find the client's mode as the client would: ``online``, ``offline`` or ``disabled``.

    Args:
        environ: The environment; by default the process's own.
    """
    variables = os.environ if environ is None else environ
    named = variables.get("WANDB_MODE") or _settings(variables).get("mode") or "online"
    return _OTHER_MODES.get(named, named)


def wandb_env(
    config: WandbConfig | None = None, *, environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Collect the variables that let a job, elsewhere, track its run.

    Args:
        config: Where runs go, as :func:`load_wandb_config` returns it; None where env.toml has no
            ``[wandb]`` section.
        environ: The environment; by default the process's own.

    Returns:
        ``WANDB_API_KEY``, ``WANDB_PROJECT``, ``WANDB_ENTITY`` and ``WANDB_BASE_URL``, those that
        are known. Printing it leaves the key out.

    Raises:
        WandbCredentialsError: The configuration asks for tracking and there is no key, or no
            project; or the key cannot be one.
    """
    if config is not None and not config.enabled:
        raise WandbCredentialsError(
            "The project is missing.",
            where="env.toml [wandb]",
            hint='Add `project = "NAME"`, or remove the section to track nothing.',
        )
    if config is not None:
        return _variables(config, require_api_key(environ))
    key = find_api_key(environ)
    if key is None:
        return WandbEnvironment()
    logger.warning(
        "A W&B API key was found (%s), but env.toml has no [wandb] section: nothing is "
        'tracked there. Add `[wandb]` with `project = "NAME"` to track this job.',
        key.source,
    )
    return _variables(WandbConfig(), key)


def _variables(config: WandbConfig, key: ApiKey) -> WandbEnvironment:
    known = {
        "WANDB_API_KEY": key.value,
        "WANDB_PROJECT": config.project,
        "WANDB_ENTITY": config.entity,
        "WANDB_BASE_URL": None if key.server == DEFAULT_SERVER else key.server,
    }
    return WandbEnvironment({name: value for name, value in known.items() if value})


def _checked(value: str, source: str) -> str:
    """Hold a key against the client's rule; the text of the error does not repeat the key."""
    if _JWT.fullmatch(value):
        return value
    secret = value.partition("-")[2] or value  # on-premises keys have a prefix
    if not re.fullmatch(r"[\w-]+", secret):
        raise WandbCredentialsError(
            "The W&B API key has other characters than letters, digits, '_' and '-'.",
            where=source,
            hint=_CURE,
        )
    if len(secret) < _SHORTEST:
        raise WandbCredentialsError(
            f"The W&B API key has {len(secret)} characters; keys have {_SHORTEST} or more.",
            where=source,
            hint=_CURE,
        )
    return value


def _of_netrc(variables: Mapping[str, str], server: str) -> tuple[str | None, str]:
    path = _netrc_path(variables)
    try:
        found = netrc.netrc(path).authenticators(urlsplit(server).netloc)
    except FileNotFoundError:
        return None, str(path)
    except (netrc.NetrcParseError, OSError, UnicodeDecodeError) as error:
        # The text of a parser's error quotes the line, which may hold a password.
        logger.warning("%s cannot be read for W&B (%s).", path, type(error).__name__)
        return None, str(path)
    return (found[2] if found else None), str(path)


def _netrc_path(variables: Mapping[str, str]) -> Path:
    if named := variables.get("NETRC"):
        return Path(named).expanduser()
    home = _home(variables)
    usual = home / ".netrc"
    return usual if usual.exists() or not (home / "_netrc").exists() else home / "_netrc"


def _settings(variables: Mapping[str, str]) -> dict[str, str]:
    """What the client's settings files say; the working directory's over the user's."""
    parser = configparser.ConfigParser(interpolation=None)
    for path in _settings_files(variables):
        try:
            parser.read(path, "utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError) as error:
            logger.warning("%s cannot be read (%s).", path, type(error).__name__)
    return dict(parser["default"]) if parser.has_section("default") else {}


def _settings_files(variables: Mapping[str, str]) -> Iterator[Path]:
    folder = variables.get("WANDB_CONFIG_DIR")
    yield (Path(folder) if folder else _home(variables) / ".config" / "wandb") / "settings"
    yield Path(variables.get("WANDB_DIR") or ".") / "wandb" / "settings"


def _home(variables: Mapping[str, str]) -> Path:
    home = variables.get("HOME")
    return Path(home) if home else Path.home()
