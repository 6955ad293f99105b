"""The configuration of a job: the recipe's own, the environment's, the command line's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from nemo_runspec.config.compose import compose_with, find_config, merge_values
from nemo_runspec.config.escaping import escape_values
from nemo_runspec.config.grammar import Override, parse_override
from nemo_runspec.config.output import name_output
from nemo_runspec.config.overrides import apply_overrides
from nemo_runspec.config.secrets import find_secrets, refer_to_variables
from nemo_runspec.env_toml import EnvProfile, EnvToml, load_env_profile, load_env_toml
from nemo_runspec.errors import ConfigError
from nemo_runspec.naming import config_stem
from nemo_runspec.profile_spellings import EXECUTOR, IMAGE, one_spelling
from nemo_runspec.redaction import redact_words
from nemo_runspec.runspec.model import Runspec

_OFF = {"manifest": {"root": None}, "wandb": False}
_COMMAND_LINE = "the command line"


def build_job_config(
    runspec: Runspec,
    *,
    config_name: str | None = None,
    overrides: Sequence[str] = (),
    profile: str | None = None,
    argv: Sequence[str] = (),
    default_root: str | None = None,
    env_file: Path | None = None,
) -> DictConfig:
    """Compose everything that a job needs into one configuration.

    ``run.env`` comes from the runspec, the recipe's configuration, the profile and the
    overrides, later ones winning; ``artifacts`` from env.toml, the configuration and the
    overrides, where ``artifacts.manifest.root`` may also come from ``NEMOTRON_ARTIFACTS_ROOT``
    (above env.toml). ``run.wandb.{project,entity}`` is always there, ``run.output`` names what
    the recipe makes, and ``run.provenance`` records where all of this comes from.

    Args:
        runspec: The recipe.
        config_name: Name or path of its configuration; None for its default.
        overrides: ``key=value`` overrides in Hydra's grammar.
        profile: An execution profile of env.toml.
        argv: The command line, for the record; secrets in it are hidden.
        default_root: Manifest root where none is set anywhere; an explicit null stays null.
        env_file: The env.toml; by default the one found from the working directory.

    Returns:
        The job's configuration, interpolations kept.

    Raises:
        ConfigError: A file, an override or a profile cannot be used, or a value is a secret.
    """
    name = config_name or runspec.config.default
    file = find_config(runspec.config.dir, name)
    env = load_env_toml(env_file)
    chosen = None if profile is None else load_env_profile(profile, env_file)
    parsed = [parse_override(text) for text in overrides]
    content, for_keys = compose_with(file, parsed, root=runspec.config.dir)
    run = _section(content, "run", file)
    content["run"] = {
        **run,
        "env": _environment(runspec, _section(run, "env", file), chosen, _typed_executor(for_keys)),
        "wandb": _wandb(env, _section(run, "wandb", file)),
        "output": run.get("output"),
    }
    content["artifacts"] = _artifacts_section(content, file, env)
    config = apply_overrides(OmegaConf.create(content), for_keys)
    _finish(config, default_root)
    name_output(config, runspec, name)
    _refuse_secrets(config, file, env)
    _refuse_bytes([str(file), *argv, *map(str, _leaves(_raw(config)))])
    _record(config, runspec, name=name, file=file, profile=profile, argv=argv)
    return config


def config_digest(config: DictConfig) -> str:
    """Digest a configuration: equal for equal content, whatever the order of its keys.

    Args:
        config: A job's configuration; ``run.provenance`` and secrets do not count.

    Returns:
        ``sha256:`` and 64 hexadecimal digits.
    """
    from nemo_runspec import provenance

    return provenance.config_digest(_raw(refer_to_variables(config)))


def _environment(
    runspec: Runspec, own: Mapping[Any, Any], profile: EnvProfile | None, executor: Any
) -> dict[str, Any]:
    layers: tuple[Mapping[str, Any], ...] = (runspec.env, own, profile or {})
    if executor is None:
        executor = next((layer[EXECUTOR] for layer in reversed(layers) if EXECUTOR in layer), None)
    merged: dict[str, Any] = {IMAGE: runspec.image}
    for layer in layers:
        merged = merge_values(merged, one_spelling(layer, executor))
    return merged


def _typed_executor(overrides: Sequence[Override]) -> Any:
    """The executor that the command line names, which decides how keys are spelled."""
    typed = [item.value for item in overrides if item.key == f"run.env.{EXECUTOR}"]
    return typed[-1] if typed else None


def _wandb(env: EnvToml, own: Mapping[Any, Any]) -> dict[str, Any]:
    unset = {"project": None, "entity": None}
    return merge_values(merge_values(unset, env.wandb), own)


def _artifacts_section(content: Mapping[Any, Any], file: Path, env: EnvToml) -> dict[str, Any]:
    if "artifacts" in content and content["artifacts"] is None:
        return dict(_OFF)
    return merge_values(env.artifact_defaults(), _section(content, "artifacts", file))


def _finish(config: DictConfig, default_root: str | None) -> None:
    """Fill in what may only be decided after the overrides."""
    content = _raw(config)
    run = _section(content, "run", _COMMAND_LINE)
    env = _section(run, "env", _COMMAND_LINE)
    run["env"] = one_spelling(env, env.get(EXECUTOR))
    artifacts = content.get("artifacts", {})
    if artifacts is not None:
        artifacts = _section(content, "artifacts", _COMMAND_LINE)
    manifest = {} if artifacts is None else artifacts.get("manifest", {})
    if artifacts is None:
        artifacts = _OFF
    elif default_root is not None and isinstance(manifest, dict) and "root" not in manifest:
        artifacts = merge_values(artifacts, {"manifest": {"root": default_root}})
    with open_dict(config):
        config.run = run
        config.artifacts = artifacts


def _record(
    config: DictConfig,
    runspec: Runspec,
    *,
    name: str,
    file: Path,
    profile: str | None,
    argv: Sequence[str],
) -> None:
    """Write down where the configuration comes from."""
    from nemo_runspec.provenance import collect_provenance

    image = _raw(config)["run"]["env"].get(IMAGE)
    provenance = escape_values(
        {
            "runspec": runspec.name,
            "config": config_stem(name),
            "config_file": str(file),
            "argv": redact_words(argv),
            "profile": profile,
            **collect_provenance(runspec.path.parent),
            "config_digest": config_digest(config),
        }
    )
    # An image that is computed is referred to, so that a relative reference keeps its meaning.
    computed = isinstance(image, str) and "${" in image
    provenance["image"] = f"${{run.env.{IMAGE}}}" if computed else image
    with open_dict(config):
        config.run.provenance = provenance


def _section(content: Mapping[Any, Any], key: str, where: Path | str) -> dict[Any, Any]:
    section = content.get(key)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise ConfigError(f"'{key}' must be a section, but is {section!r}.", where=str(where))
    return dict(section)


def _refuse_secrets(config: DictConfig, file: Path, env: EnvToml) -> None:
    found = find_secrets(config)
    if not found:
        return
    keys = ", ".join(f"'{item.key}'" for item in found)
    places = str(file) if not env.text else f"{file} or {env.path}"
    raise ConfigError(
        f"The configuration holds a secret under {keys}.",
        where=f"{places} or the command line",
        hint="Put it into an environment variable and write ${oc.env:NAME} there.",
    )


def _refuse_bytes(texts: Sequence[str]) -> None:
    """Refuse names of files that are no text: no configuration could be written with them."""
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError as error:
            shown = text.encode(errors="backslashreplace").decode()
            raise ConfigError(
                "A path of the job is no UTF-8 text.",
                where=shown,
                hint="Rename the folder, or set LC_ALL=C.UTF-8 where only the locale is wrong.",
            ) from error


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = value.values()
    elif not isinstance(value, list):
        yield value
        return
    for item in value:
        yield from _leaves(item)


def _raw(config: DictConfig) -> dict[Any, Any]:
    content = OmegaConf.to_container(config, resolve=False)
    return content if isinstance(content, dict) else {}
