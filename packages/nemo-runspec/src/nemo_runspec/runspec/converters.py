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


def config_names(converter: Runspec) -> list[str]:
    """The names of a recipe's configurations in YAML; none of them is read."""
    return sorted(file.stem for file in converter.config.dir.glob("*.yaml"))


def option_of_config(model: str, configs: Iterable[str]) -> str:
    """Spell the option for the configuration that a model's name ends with.

    Args:
        model: The name, such as ``nano3-sft-model-tiny``.
        configs: What the command has.

    Returns:
        `` -c tiny``; nothing where the usual configuration is meant.
    """
    return next((f" -c {name}" for name in configs if model.endswith(f"-{name}")), "")
