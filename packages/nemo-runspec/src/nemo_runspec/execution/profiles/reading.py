"""Read a profile: from a job's configuration, or from env.toml alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.env_toml import EnvToml, load_env_profile, load_env_toml
from nemo_runspec.errors import ProfileError
from nemo_runspec.execution.profiles.keys import (
    PROFILES,
    ProfileKey,
    checked,
    keys_of,
    spellings_of,
)
from nemo_runspec.execution.profiles.local import LocalProfile
from nemo_runspec.execution.profiles.model import Profile
from nemo_runspec.execution.profiles.origin import Origin
from nemo_runspec.execution.profiles.values import Interpolated, WrongValueError
from nemo_runspec.profile_spellings import DEFAULT_EXECUTOR, EXECUTOR, IMAGE, one_spelling
from nemo_runspec.resolvers.registration import register_resolvers
from nemo_runspec.runspec import Runspec
from nemo_runspec.suggest import did_you_mean

_SECTION = "run.env"
_RESOURCES = ("nodes", "gpus_per_node")
_MISSING = "???"


def read_profile(
    job: DictConfig, recipe: Runspec, *, name: str, env_file: Path | None = None
) -> Profile:
    """Read the profile of a composed job: its ``run.env``, with the recipe's needs as defaults.

    Args:
        job: The job's configuration, as ``build_job_config(profile=name)`` gives it.
        recipe: The recipe.
        name: The profile's name.
        env_file: The env.toml that the job was composed with, if not the one that is found.

    Raises:
        ProfileError: A key is unknown, has a value of another type, or is one that this executor
            has no place for; the error names the file and line, or the command line.
    """
    env = load_env_toml(env_file)
    origin = Origin(name=name, env=env, recipe=recipe, job=job)
    raw = OmegaConf.to_container(OmegaConf.select(job, _SECTION) or OmegaConf.create({}))
    values = _resolved(job, dict(raw) if isinstance(raw, Mapping) else {}, origin)
    profile = _with_needs(_build(values, origin), values, recipe)
    return replace(profile, told=(*profile.told, *_unseen_store(profile, job, recipe)))


def check_settings(job: DictConfig, recipe: Runspec) -> None:
    """Check the ``run.env`` of a job that no profile was chosen for: some executor could have it.

    Args:
        job: The job's configuration.
        recipe: The recipe.

    Raises:
        ProfileError: No executor has a key, or none takes its value; the error names the file and
            line, or the command line.
    """
    raw = OmegaConf.to_container(OmegaConf.select(job, _SECTION) or OmegaConf.create({}))
    origin = Origin(name="", recipe=recipe, job=job)
    known = {model: spellings_of(model) for model in PROFILES.values()}
    for written, value in raw.items() if isinstance(raw, Mapping) else ():
        # What an interpolation gives, or a profile has to, is known where the job is.
        if written == EXECUTOR or value in (None, _MISSING) or "${" in str(value):
            continue
        keys = {model: names[str(written)] for model, names in known.items() if written in names}
        if not keys:
            raise _unknown(str(written), origin)
        _refuse_everywhere(str(written), value, keys, origin)


def load_profile(name: str, env_file: Path | None = None) -> Profile:
    """Read a profile as env.toml has it.

    Args:
        name: The profile's name.
        env_file: The env.toml; by default the one that is found.

    Raises:
        ProfileError: There is no such profile, or it is malformed; see :func:`read_profile`.
    """
    settings = load_env_profile(name, env_file)
    env = load_env_toml(settings.path)
    return profile_of(settings, name=name, env=env)


def profile_of(settings: Mapping[str, Any], *, name: str, env: EnvToml | None = None) -> Profile:
    """Check the settings of a profile.

    Args:
        settings: Its keys.
        name: Its name, for messages.
        env: The env.toml that they stand in, if they do.
    """
    origin = Origin(name=name, env=env)
    usual = one_spelling(settings, settings.get(EXECUTOR))
    job = OmegaConf.create({"run": {"env": usual}})
    return _build(_resolved(job, usual, origin), origin)


def _refuse_two_spellings(model: type[Profile], origin: Origin) -> None:
    """One table may not say the same thing twice."""
    known = spellings_of(model)
    for table, settings in origin.tables():
        found: dict[str, str] = {}
        for written in settings:
            name = known[written].name if written in known else written
            if name in found and origin.env is not None:
                raise ProfileError(
                    f"'{table}.{found[name]}' and '{table}.{written}' are the same key.",
                    where=origin.env.where(table, written),
                    hint="Remove one of them.",
                )
            found[name] = written


def _resolved(job: DictConfig, raw: Mapping[Any, Any], origin: Origin) -> dict[str, Any]:
    register_resolvers()
    section = OmegaConf.select(job, _SECTION)
    values: dict[str, Any] = {}
    for key in raw:
        try:
            value = section[key]
            if isinstance(value, str) and OmegaConf.is_interpolation(section, key):
                value = Interpolated(value)
            if OmegaConf.is_config(value):
                value = OmegaConf.to_container(value, resolve=True)
        except OmegaConfBaseException as error:
            raise _unresolved(str(key), error, origin) from error
        if value is not None:
            values[str(key)] = value
    return values


def _unresolved(key: str, error: OmegaConfBaseException, origin: Origin) -> ProfileError:
    full = str(error.full_key or "").removeprefix(f"{_SECTION}.{key}").strip(".")
    below = tuple(full.split(".")) if full else ()
    first = str(error).partition("\n")[0].rstrip(".")
    return ProfileError(
        f"'{'.'.join((origin.shown(key), *below))}' cannot be resolved: {first}.",
        where=origin.where(key, *below),
        hint="Write \\${ where these characters themselves are meant.",
    )


def _build(values: Mapping[str, Any], origin: Origin) -> Profile:
    model = _model(values.get(EXECUTOR, DEFAULT_EXECUTOR), origin)
    _refuse_two_spellings(model, origin)
    known = spellings_of(model)
    found: dict[str, Any] = {}
    told: list[str] = []
    for written, value in values.items():
        if written == EXECUTOR:
            continue
        if written not in known:
            told += _no_place(written, model, origin)
            continue
        key = known[written]
        try:
            found[key.name] = checked(model, key, value)
        except WrongValueError as error:
            raise _wrong(written, error, origin) from error
    return model(name=origin.name, told=tuple(told), **found)


def _model(executor: Any, origin: Origin) -> type[Profile]:
    model = PROFILES.get(executor) if isinstance(executor, str) else None
    if model is None:
        raise ProfileError(
            f"There is no executor {executor!r}.",
            where=origin.where(EXECUTOR),
            hint=did_you_mean(str(executor), PROFILES),
        )
    return model


def _no_place(written: str, model: type[Profile], origin: Origin) -> list[str]:
    """Refuse a key that the user wrote; leave out a default that this executor cannot have."""
    names = {name: spellings_of(other) for name, other in PROFILES.items()}
    others = [name for name, known in names.items() if written in known]
    if not others:
        raise _unknown(written, origin)
    if origin.is_default(written):
        if model is LocalProfile and written == IMAGE:
            # Every recipe names an image, and no process of this machine runs in it.
            return []
        return [f"{origin.shown(written)} is left out: {model.executor} has no such key."]
    raise ProfileError(
        f"The executor {model.executor} has no key '{written}'.",
        where=origin.where(written),
        hint=f"Leave it out; it is for {', '.join(others)}.",
    )


def _unknown(written: str, origin: Origin) -> ProfileError:
    keys = {key for model in PROFILES.values() for key in spellings_of(model)}
    return ProfileError(
        f"A profile has no key '{written}'.",
        where=origin.where(written),
        hint=did_you_mean(written, {EXECUTOR, *keys}),
    )


def _refuse_everywhere(
    written: str, value: Any, keys: Mapping[type[Profile], ProfileKey], origin: Origin
) -> None:
    """Refuse a value that none of these executors takes."""
    problems = []
    for model, key in keys.items():
        try:
            checked(model, key, value)
        except WrongValueError as error:
            problems.append(error)
        else:
            return
    raise _wrong(written, problems[0], origin) from problems[0]


def _unseen_store(profile: Profile, job: DictConfig, recipe: Runspec) -> list[str]:
    """Tell where a container would record what nobody finds again."""
    root = OmegaConf.select(job, "artifacts.manifest.root")
    recorded = root is not None and recipe.artifacts.writes is not None
    folder = local_path(str(root)) if recorded else None
    if folder is None or profile.elsewhere or profile.sees(folder.absolute()):
        return []
    told = (
        f"The job's container does not see {folder}, where its artifacts would be recorded. "
        f"Add that folder to 'mounts' of {profile.name}, or set artifacts.manifest.root."
    )
    return [told]


def _wrong(written: str, error: WrongValueError, origin: Origin) -> ProfileError:
    key = ".".join((origin.shown(written), *error.path))
    return ProfileError(error.told(key), where=origin.where(written, *error.path))


def _with_needs(profile: Profile, values: Mapping[str, Any], recipe: Runspec) -> Profile:
    """Ask for what the recipe needs where nothing else is written."""
    known = spellings_of(type(profile))
    written = {known[name].name for name in values if name in known}
    wanted = {
        name: getattr(recipe.resources, name)
        for name in _RESOURCES
        if name in keys_of(type(profile)) and name not in written
    }
    return replace(profile, **wanted)
