"""Which recipes of a family take part in a chain, and with which configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from nemo_runspec.config import list_configs
from nemo_runspec.config.listing import SUFFIXES
from nemo_runspec.errors import ConfigError, UsageError
from nemo_runspec.execution.pipeline.addressing import find_stage
from nemo_runspec.execution.pipeline.conversions import Conversion, conversion_names
from nemo_runspec.execution.pipeline.model import ChainRequest, LeftOut
from nemo_runspec.runspec import Runspec
from nemo_runspec.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Selection:
    """The recipes that take part.

    Attributes:
        recipes: Stage to recipe.
        configs: Stage to the name or path of its configuration.
        left_out: The others of the family.
        given: Stage to what it is told by the chain, before the user's overrides.
    """

    recipes: Mapping[str, Runspec]
    configs: Mapping[str, str]
    left_out: tuple[LeftOut, ...]
    given: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def select_recipes(request: ChainRequest) -> Selection:
    """Choose the recipes that have the wanted configuration.

    Args:
        request: What the user asks for.

    Raises:
        UsageError: A path is given for every stage, or a stage is named that there is not.
        ConfigError: No recipe has the configuration.
    """
    stages = request.stages()
    _refuse_path(request.config)
    names = stage_names(request)
    own = {find_stage(name, names): config for name, config in request.stage_configs.items()}
    configs = {
        name: own.get(name) or request.config or recipe.config.default
        for name, recipe in stages.items()
    }
    left_out = tuple(
        LeftOut(name, f"has no configuration {configs[name]!r}")
        for name, recipe in stages.items()
        if name not in own and configs[name] not in list_configs(recipe.config.dir)
    )
    absent = {item.name for item in left_out}
    chosen = {name: recipe for name, recipe in stages.items() if name not in absent}
    if not chosen:
        raise _nowhere(request, stages)
    return Selection(chosen, {name: configs[name] for name in chosen}, left_out)


def stage_names(request: ChainRequest) -> list[str]:
    """Name every stage that a chain of the family may have, conversions too."""
    return [*request.stages(), *conversion_names(request)]


def with_conversions(
    selection: Selection, conversions: Mapping[str, Conversion], request: ChainRequest
) -> Selection:
    """Add the conversions that the stages need.

    A conversion has the configuration that is asked for, or its own where it lacks that one.

    Args:
        selection: The recipes that take part.
        conversions: The conversions by name.
        request: What the user asks for.
    """
    names = stage_names(request)
    own = {find_stage(name, names): config for name, config in request.stage_configs.items()}
    configs = {
        name: own.get(name) or _config_of(each.recipe, request.config)
        for name, each in conversions.items()
    }
    return replace(
        selection,
        recipes={**selection.recipes, **{name: each.recipe for name, each in conversions.items()}},
        configs={**selection.configs, **configs},
        given={name: (each.override,) for name, each in conversions.items()},
    )


def _config_of(recipe: Runspec, wanted: str | None) -> str:
    known = wanted is not None and wanted in list_configs(recipe.config.dir)
    return wanted if wanted is not None and known else recipe.config.default


def _refuse_path(config: str | None) -> None:
    if config is None:
        return
    path = PurePath(config)
    if path.suffix.lower() in SUFFIXES or len(path.parts) > 1:
        raise UsageError(
            f"{config!r} is the file of one recipe; a chain takes a configuration's name.",
            hint=f"Say which stage it is for: -c STAGE:{config}",
        )


def _nowhere(request: ChainRequest, stages: Mapping[str, Runspec]) -> ConfigError:
    known = {name for recipe in stages.values() for name in list_configs(recipe.config.dir)}
    wanted = request.config or "default"
    return ConfigError(
        f"No recipe of {request.family} has a configuration {wanted!r}.",
        hint=did_you_mean(wanted, known),
    )
