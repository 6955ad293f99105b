"""Keep secrets out of configurations that are written or shown."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.config.files import first_line
from nemo_runspec.config.grammar import parse_override, render_value
from nemo_runspec.errors import ConfigError
from nemo_runspec.redaction import known_secrets, may_be_shown, redact_value, redact_values

VARIABLES = ("run", "env", "env_vars")
_SECTION = ".".join(VARIABLES)


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
    """Replace every literal secret by ``***``, that of a variable by a reference to it.

    Args:
        config: Any configuration; it is not changed, and nothing is resolved.
        environ: The environment whose secrets are looked for; by default the process's own.
    """
    content = OmegaConf.to_container(refer_to_variables(config), resolve=False)
    redacted: dict[Any, Any] = redact_values(content, environ)
    return OmegaConf.create(redacted)


def refer_to_variables(job: DictConfig) -> DictConfig:
    """Let a job's configuration refer to the variables whose values must not be written.

    A literal below ``run.env.env_vars`` becomes ``${oc.env:NAME}`` where its name may be a
    secret's. The job has that variable, so it still resolves to the same text there.

    Args:
        job: The configuration; it is not changed.
    """
    hidden = _references(_variables(job))
    if not hidden:
        return job
    changed = copy.deepcopy(job)
    section = OmegaConf.select(changed, _SECTION)
    with open_dict(changed):
        section.update(hidden)
    return changed


def hidden_variables(job: DictConfig) -> dict[str, str]:
    """Give the variables that a written configuration refers to, for the processes that read it.

    Args:
        job: The configuration, as it was composed.

    Raises:
        ConfigError: What a value refers to has none.
    """
    section = OmegaConf.select(job, _SECTION)
    try:
        return {name: str(section[name]) for name in _references(_variables(job))}
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"A variable has no value: {first_line(error)}.", where=str(error.full_key or _SECTION)
        ) from error


def refer_in_override(text: str) -> str:
    """Do the same in an override of the command line, for a record that is read again.

    Args:
        text: The override.

    Raises:
        ConfigError: The text does not follow the grammar of overrides.
    """
    override = parse_override(text)
    path, value = override.path, override.value
    if path != (*VARIABLES, *path[-1:])[: len(path)]:
        return text
    changed = _referring({path[-1]: value}, VARIABLES[len(path) - 1 :])[path[-1]]
    return text if changed == value else f"{text.partition('=')[0]}={render_value(changed)}"


def _referring(values: Mapping[Any, Any], path: tuple[str, ...]) -> dict[Any, Any]:
    """Let a mapping refer to the variables that it holds at a path."""
    if not path:
        return {**values, **_references(values)}
    inner = values.get(path[0])
    changed = _referring(inner, path[1:]) if isinstance(inner, Mapping) else inner
    return {**values, path[0]: changed} if path[0] in values else dict(values)


def _variables(job: DictConfig) -> Mapping[Any, Any]:
    content: Any = OmegaConf.to_container(job, resolve=False)
    for key in VARIABLES:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content if isinstance(content, Mapping) else {}


def _references(variables: Mapping[Any, Any]) -> dict[Any, str]:
    return {
        name: _reference(name)
        for name, value in variables.items()
        if not isinstance(value, (Mapping, list)) and not may_be_shown(str(name), value)
    }


def _reference(name: Any) -> str:
    return f"${{oc.env:{name}}}"


def _leaves(value: Any, path: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        return [leaf for key, item in value.items() for leaf in _leaves(item, (*path, str(key)))]
    if isinstance(value, list):
        return [leaf for at, item in enumerate(value) for leaf in _leaves(item, (*path, str(at)))]
    return [(path, value)]
