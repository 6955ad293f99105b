"""Collect the environment of a job: what is found, what is said, and who wins."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.config.secrets import VARIABLES
from nemo_runspec.env_toml import EnvProfile, load_env_profile
from nemo_runspec.errors import ConfigError
from nemo_runspec.execution.environment.huggingface import find_huggingface
from nemo_runspec.execution.environment.layers import Layer, read_layers
from nemo_runspec.execution.environment.model import JobEnvironment, JobVariable, Overruled
from nemo_runspec.execution.environment.names import (
    OWN_NAMES,
    check_name,
    check_value,
)
from nemo_runspec.execution.environment.wandb import as_variables, find_wandb
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import Profile
from nemo_runspec.redaction import known_secrets, may_be_shown, redact_value
from nemo_runspec.secret_names import is_secret_variable
from nemo_runspec.url_secrets import REDACTED

_KEY = ".".join(VARIABLES)
_FROM_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env\s*:\s*([^,}\s]+)")


def collect_environment(
    plan: RecipePlan, profile: Profile, *, environ: Mapping[str, str] | None = None
) -> JobEnvironment:
    """Collect the variables of a job.

    The last word has the command line, then the profile, the config's ``run.env``, the runspec,
    and what is found: the logins of W&B and of the Hugging Face Hub. A ``null`` takes a variable
    away. What is set for each job, such as ``NEMOTRON_RUN_DIR``, nobody overrules.

    Args:
        plan: The job.
        profile: Where it runs.
        environ: The environment to find logins in; by default the process's own.

    Raises:
        ConfigError: A name or value cannot reach a process, or a variable that it refers to is
            not set.
    """
    variables = os.environ if environ is None else environ
    layers = read_layers(plan, _as_written(plan, profile))
    found = {item.name: item for item in _found(plan, variables)}
    said = _said(plan.job, layers, known_secrets(variables))
    return merge(found, said, layers, known_secrets(variables))


def merge(
    found: Mapping[str, JobVariable],
    said: Mapping[str, JobVariable | None],
    layers: Iterable[Layer],
    known: list[str],
) -> JobEnvironment:
    """Let what is said win over what is found, and remember what did not count.

    Args:
        found: What logins offer.
        said: What has the last word among the layers; None takes the variable away.
        layers: All that was said, the highest first.
        known: Values that are secrets.
    """
    kept = {**found, **said}
    return JobEnvironment(
        variables=tuple(
            item
            for name, item in sorted(kept.items())
            if item is not None and name not in OWN_NAMES
        ),
        overruled=(*_losers(layers, known), *_unused(found, said)),
        withheld=tuple(
            (name, _first(layers, name)) for name, item in sorted(said.items()) if item is None
        ),
    )


def check_variables(table: Mapping[Any, Any], *, key: str = _KEY) -> dict[str, str | None]:
    """Check a resolved table of variables, and give its values as text.

    Args:
        table: Name to value: a text, or a whole number, which becomes one; null stays None.
        key: Where it stands, for messages.

    Raises:
        ConfigError: A name or value cannot reach a process; the key is named.
    """
    checked: dict[str, str | None] = {}
    for name, value in table.items():
        where = f"{key}.{name}"
        check_name(str(name), key=where)
        checked[str(name)] = _as_text(value, where)
    return checked


def resolve_variables(section: DictConfig, *, key: str = _KEY) -> dict[Any, Any]:
    """Fill in what a table of variables refers to.

    Args:
        section: The table, in its configuration.
        key: Where it stands, for messages.

    Raises:
        ConfigError: What a value refers to is not set; the key is named.
    """
    names: list[Any] = list(section)
    return {name: _resolved(section, name, f"{key}.{name}") for name in names}


def is_secret(name: str, raw: Any, value: str, known: list[str]) -> bool:
    """Tell whether a variable's value must not be written: by its name, origin or looks.

    Args:
        name: The variable.
        raw: Its value as written, interpolations kept.
        value: Its value.
        known: Values that are secrets.
    """
    origins = _FROM_ENVIRONMENT.findall(raw) if isinstance(raw, str) else []
    if any(map(is_secret_variable, origins)) or not may_be_shown(name, value):
        return True
    shown: object = redact_value((name,), value, known)
    return shown != value


def _as_written(plan: RecipePlan, profile: Profile) -> EnvProfile | None:
    return None if plan.profile is None else load_env_profile(profile.name)


def _found(plan: RecipePlan, environ: Mapping[str, str]) -> tuple[JobVariable, ...]:
    settings = OmegaConf.select(plan.job, "run.wandb") or {}
    return (
        *find_huggingface(environ),
        *find_wandb(settings, environ),
        *as_variables(plan.checked.environment),
    )


def _said(
    job: DictConfig, layers: tuple[Layer, ...], known: list[str]
) -> dict[str, JobVariable | None]:
    section = OmegaConf.select(job, _KEY, throw_on_missing=False)
    if section is None:
        return {}
    if not isinstance(section, DictConfig):
        raise ConfigError(f"'{_KEY}' must be a table of variables.", where=_KEY)
    raw: Any = OmegaConf.to_container(section, resolve=False)
    values = check_variables(resolve_variables(section))
    hidden = [value for name, value in values.items() if not may_be_shown(name, value)]
    return {
        name: None
        if value is None
        else JobVariable(
            name,
            value,
            secret=is_secret(name, raw[name], value, known) or _repeats(raw[name], value, hidden),
            source=_first(layers, name),
        )
        for name, value in values.items()
    }


def _repeats(raw: Any, value: str, hidden: Iterable[str | None]) -> bool:
    """Tell whether a value refers to another variable that must not be written."""
    return isinstance(raw, str) and "${" in raw and any(other in value for other in hidden if other)


def _resolved(section: DictConfig, name: Any, where: str) -> Any:
    try:
        return section[name]
    except OmegaConfBaseException as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise ConfigError(
            f"The variable has no value: {reason}.",
            where=where,
            hint="Set what it refers to before you submit, or give it a default: "
            "${oc.env:NAME,''}.",
        ) from error


def _as_text(value: Any, where: str) -> str | None:
    if value is None:
        return None
    # A truth value or a fraction has several spellings, and the job would see only one of them.
    if isinstance(value, bool) or not isinstance(value, str | int):
        shown = repr(value) if may_be_shown(where.rpartition(".")[2], value) else REDACTED
        raise ConfigError(
            f"The value of a variable is a text, and this is {shown}.",
            where=where,
            hint="Put it between quotes, as the job is to see it.",
        )
    check_value(str(value), key=where)
    return str(value)


def _first(layers: Iterable[Layer], name: str) -> str:
    return next((layer.source for layer in layers if name in layer.table), "config")


def _losers(layers: Iterable[Layer], known: list[str]) -> list[Overruled]:
    losers: list[Overruled] = []
    settled: set[str] = set(OWN_NAMES)
    for layer in layers:
        losers += [
            Overruled(name, layer.source, _shown(name, value, known))
            for name, value in layer.table.items()
            if name in settled
        ]
        settled |= set(layer.table)
    return losers


def _shown(name: str, written: Any, known: list[str]) -> str:
    """What stands in a layer, as it may be shown; a reference is no secret."""
    text = str(redact_value((name,), written, known))
    if text == str(written) and "${" not in text and is_secret(name, written, text, known):
        return REDACTED
    return text


def _unused(
    found: Mapping[str, JobVariable], said: Mapping[str, JobVariable | None]
) -> list[Overruled]:
    return [
        Overruled(name, found[name].source, found[name].shown) for name in found if name in said
    ]
