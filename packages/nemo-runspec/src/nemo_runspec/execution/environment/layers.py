"""Who says what of a job's variables: the command line, the profile, the config, the runspec."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from nemo_runspec.config.compose import compose_with
from nemo_runspec.config.grammar import Override, OverrideKind, parse_override
from nemo_runspec.config.secrets import VARIABLES
from nemo_runspec.env_toml import EnvProfile
from nemo_runspec.execution.plan import RecipePlan


@dataclass(frozen=True, slots=True)
class Layer:
    """What one place says of the job's variables.

    Attributes:
        source: The place, as the table names it.
        table: Name to value as written there, interpolations kept.
    """

    source: str
    table: Mapping[str, Any]


def read_layers(plan: RecipePlan, profile: EnvProfile | None) -> tuple[Layer, ...]:
    """Read what each place says, the one that has the last word first.

    Args:
        plan: The job.
        profile: The profile that it runs with, as env.toml has it.
    """
    overrides = [parse_override(text) for text in plan.overrides]
    found = [
        Layer("command line", _of_overrides(overrides)),
        Layer("config", _of_config(plan, overrides)),
        Layer("runspec", _table(plan.recipe.env.get("env_vars"))),
    ]
    if profile is not None:
        found.insert(1, Layer(f"profile {profile.name}", _table(profile.get("env_vars"))))
    return tuple(layer for layer in found if layer.table)


def _of_overrides(overrides: list[Override]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for override in overrides:
        if override.kind is not OverrideKind.DELETE:
            said.update(_below_section(override.path, override.value))
    return said


def _below_section(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """What an override says of single variables: it may set one, or the whole section."""
    if path[: len(VARIABLES)] == VARIABLES:
        for part in reversed(path[len(VARIABLES) :]):
            value = {part: value}
        return _table(value)
    if VARIABLES[: len(path)] == path:
        for part in VARIABLES[len(path) :]:
            value = value.get(part) if isinstance(value, Mapping) else None
        return _table(value)
    return {}


def _of_config(plan: RecipePlan, overrides: list[Override]) -> dict[str, Any]:
    file = OmegaConf.select(plan.job, "run.provenance.config_file")
    if file is None:
        return {}
    content: Any = compose_with(Path(str(file)), overrides, root=plan.recipe.config.dir)[0]
    for part in VARIABLES:
        content = content.get(part) if isinstance(content, Mapping) else None
    return _table(content)


def _table(value: Any) -> dict[str, Any]:
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}
