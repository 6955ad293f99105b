"""Which families of recipes can be run as one chain; only the standard library is needed here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nemo_runspec.runspec import Runspec

PIPE = "pipe"


@dataclass(frozen=True, slots=True)
class PipeTarget:
    """The command that runs a family.

    Attributes:
        family: The first word of the recipes, such as ``nano3``.
        recipes: Its recipes.
    """

    family: str
    recipes: tuple[Runspec, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The command's words: ``("nano3", "pipe")``."""
        return (self.family, PIPE)

    @property
    def stages(self) -> tuple[Runspec, ...]:
        """The recipes that are stages; those that convert models come in where they are needed."""
        return tuple(recipe for recipe in self.recipes if not recipe.artifacts.converts)

    @property
    def docs(self) -> str:
        """One sentence for help pages."""
        return f"Run the recipes of {self.family} as one chain; each reads what those before made."


def pipe_targets(recipes: Iterable[Runspec]) -> list[PipeTarget]:
    """Name the families that make a chain: several recipes, of which some make artifacts."""
    families: dict[str, list[Runspec]] = {}
    for recipe in recipes:
        if len(recipe.words) > 1:
            families.setdefault(recipe.words[0], []).append(recipe)
    return [
        PipeTarget(family, tuple(members))
        for family, members in families.items()
        if len(members) > 1 and any(member.artifacts.writes for member in members)
    ]


def is_reserved(recipe: Runspec) -> bool:
    """Tell whether a recipe's name lies where a family's chain is."""
    return recipe.words[1:2] == (PIPE,)
