"""A chain of recipes: its stages, and what each hands on to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nemo_runspec.artifacts.settings import TrackingSettings
from nemo_runspec.runspec import Runspec


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainRequest:
    """What a user asks for.

    Attributes:
        family: The first word of the recipes, such as ``nano3``.
        recipes: Every recipe that is known; those of other families name what makes an input.
        config: Name of the configuration of every stage; None for each recipe's default.
        stage_configs: Stage to the configuration, by name or path, that it has instead.
        overrides: Overrides as they were typed: for every stage, or ``STAGE:KEY=VALUE``.
        start: The first stage; None for the first of the chain.
        ends: The stages that are wanted, and with them what they need; all where it is empty.
        only: The stages of a chain that was cut before; None where it was not.
        cwd: The working directory.
        argv: The command line as it was typed, for the record.
        profile: The execution profile; None for this machine.
    """

    family: str
    recipes: tuple[Runspec, ...]
    config: str | None = None
    stage_configs: Mapping[str, str] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    start: str | None = None
    ends: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None
    cwd: Path = Path()
    argv: tuple[str, ...] = ()
    profile: str | None = None

    def stages(self) -> dict[str, Runspec]:
        """Map the names of the family's stages to their recipes."""
        return {stage_name(each): each for each in self._own() if not each.artifacts.converts}

    def converters(self) -> tuple[Runspec, ...]:
        """The family's recipes that convert models; a chain has them where they are needed."""
        return tuple(recipe for recipe in self._own() if recipe.artifacts.converts)

    def _own(self) -> Iterator[Runspec]:
        own = (recipe for recipe in self.recipes if recipe.words[0] == self.family)
        yield from (recipe for recipe in own if len(recipe.words) > 1)


@dataclass(frozen=True, slots=True)
class StageInput:
    """One artifact that a stage reads.

    Attributes:
        key: Its key in the config's ``run`` section.
        requested: The reference or path as the configuration has it.
        source: The stage that makes it; None for what is there before the chain runs.
    """

    key: str
    requested: str
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One recipe of a chain.

    Attributes:
        name: The recipe's name without its family, such as ``data/prep/sft``.
        recipe: The recipe.
        config: Name or path of its configuration.
        overrides: Its own overrides, in their order.
        output: The name that its artifact is recorded under.
        inputs: What it reads.
        unset: Keys that the recipe declares to read and the configuration leaves out.
        aliases: Aliases that the configuration gives to what it records.
        tracking: Where it records and looks up.
    """

    name: str
    recipe: Runspec
    config: str
    overrides: tuple[str, ...]
    output: str
    inputs: tuple[StageInput, ...]
    unset: tuple[str, ...]
    aliases: tuple[str, ...]
    tracking: TrackingSettings

    @property
    def sources(self) -> frozenset[str]:
        """The stages that it waits for."""
        return frozenset(item.source for item in self.inputs if item.source is not None)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A recipe of the family that takes no part.

    Attributes:
        name: What its stage would be called.
        reason: Why, in words that follow its name.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The stages in the order in which they run.

    Attributes:
        family: The first word of their recipes.
        stages: The stages.
        left_out: Recipes of the family that take no part, and why.
    """

    family: str
    stages: tuple[Stage, ...]
    left_out: tuple[LeftOut, ...] = ()


def stage_name(recipe: Runspec) -> str:
    """What the stage of a recipe is called: its name without the family."""
    return "/".join(recipe.words[1:])
