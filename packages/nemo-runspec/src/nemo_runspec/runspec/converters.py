"""Which recipe of a family converts models to a format, and how it is called."""

from __future__ import annotations

from collections.abc import Iterable

from nemo_runspec.naming import NAME_PATTERN
from nemo_runspec.runspec.model import Runspec


def find_converter(family: str, wanted: str, recipes: Iterable[Runspec]) -> Runspec | None:
    """Find the recipe of a family that converts models to a format.

    Args:
        family: The first word of its recipes.
        wanted: The format.
        recipes: Every recipe that is known.
    """
    for recipe in recipes:
        declared = recipe.artifacts
        if recipe.words[0] == family and declared.converts and declared.written_format == wanted:
            return recipe
    return None


def converted_key(recipe: Runspec) -> str:
    """The key in ``run`` that a recipe which converts reads its model from."""
    found = NAME_PATTERN.fullmatch(recipe.artifacts.written_name or "")
    return "model" if found is None else found["key"]


def conversion_command(converter: Runspec | None) -> str | None:
    """Spell the command that converts a model, but for the model's own reference."""
    if converter is None:
        return None
    return " ".join(["nemotron", *converter.words, f"--art.{converted_key(converter)}"])
