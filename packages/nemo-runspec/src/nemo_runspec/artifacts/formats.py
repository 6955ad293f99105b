"""Whether a model is in the format that a recipe reads: before a job is sent, and in the job."""

from __future__ import annotations

import copy
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.errors import ArtifactError
from nemo_runspec.model_formats import format_on_disk
from nemo_runspec.runspec.converters import (
    config_names,
    conversion_command,
    find_converter,
    option_of_config,
)
from nemo_runspec.runspec.discovery import discover_recipes, recipe_folders
from nemo_runspec.runspec.model import Runspec
from nemo_runspec.runspec.running import running_recipe

FORMATS_KEY = "formats"


@dataclass(frozen=True, slots=True)
class FormatNeed:
    """The format in which a recipe reads a model.

    Attributes:
        format: The format.
        convert: The command that converts a model to it, but for the model's own reference; None
            where no recipe of the family does.
        configs: The configurations of that command.
    """

    format: str
    convert: str | None = None
    configs: Sequence[str] = ()


def needs_of(recipe: Runspec, recipes: Iterable[Runspec]) -> dict[str, FormatNeed]:
    """Say in which format a recipe reads its models, and what converts others.

    Args:
        recipe: The recipe.
        recipes: Every recipe that is known.
    """
    known = tuple(recipes)
    return {
        key: _need(needed, find_converter(recipe.words[0], needed, known))
        for key, needed in recipe.artifacts.read_formats.items()
    }


def _need(needed: str, converter: Runspec | None) -> FormatNeed:
    configs = [] if converter is None else config_names(converter)
    return FormatNeed(needed, conversion_command(converter), configs)


def with_format_needs(
    job: DictConfig, needs: Mapping[str, FormatNeed], artifacts_key: str = "run"
) -> DictConfig:
    """Copy a job's configuration with what its models have to be, for the job to check.

    Args:
        job: The job's configuration; it is not changed.
        needs: The key in the section, and what the model that it names has to be.
        artifacts_key: The section that holds the references.
    """
    if not needs:
        return job
    copied = copy.deepcopy(job)
    with open_dict(copied):
        copied[artifacts_key][FORMATS_KEY] = {key: asdict(need) for key, need in needs.items()}
    return copied


def format_needs(config: DictConfig, artifacts_key: str = "run") -> dict[str, FormatNeed]:
    """What the models that a configuration names have to be, by key.

    Where no command put it there, it is what the header of this process's own script says.

    Args:
        config: The configuration that a job was started with.
        artifacts_key: The section that holds the references.
    """
    section = OmegaConf.select(config, f"{artifacts_key}.{FORMATS_KEY}")
    if section is None:
        return _needs_of_script()
    found: Any = OmegaConf.to_container(section)
    return {str(key): FormatNeed(**need) for key, need in found.items()}


def _needs_of_script() -> dict[str, FormatNeed]:
    recipe = running_recipe()
    if recipe is None or not recipe.artifacts.read_formats:
        return {}
    return needs_of(recipe, discover_recipes(recipe_folders(recipe.path.parent)).recipes)


def check_format(key: str, resolved: ResolvedArtifact, need: FormatNeed) -> None:
    """Refuse a model of another format than is read.

    Args:
        key: The key in the ``run`` section that names it.
        resolved: What it names.
        need: What it has to be.

    Raises:
        ArtifactError: It is something else; the hint is the command that converts it.
    """
    found = format_of(resolved)
    if found is None or found == need.format:
        return
    named = resolved.ref or resolved.path
    if need.convert is None:
        hint = f"No recipe of this family makes {need.format} of it; name another model."
    else:
        option = option_of_config((resolved.ref or "").partition(":")[0], need.configs)
        hint = f"Convert it: {need.convert} {shlex.quote(named)}{option}"
    raise ArtifactError(
        f"The recipe reads a model of the format {need.format}, and {named} is {found}.",
        where=f"run.{key}",
        hint=hint,
    )


def check_unconverted(key: str, resolved: ResolvedArtifact, wanted: str) -> None:
    """Refuse to convert a model to the format that it has.

    Args:
        key: The key in the ``run`` section that names it.
        resolved: What it names.
        wanted: The format that it would be converted to.

    Raises:
        ArtifactError: It has that format.
    """
    if format_of(resolved) != wanted:
        return
    named = resolved.ref or resolved.path
    raise ArtifactError(
        f"{named} is {wanted} already: there is nothing to convert.",
        where=f"run.{key}",
        hint=f"Recipes that read {wanted} take it as it is: --art.{key} {shlex.quote(named)}",
    )


def format_of(resolved: ResolvedArtifact) -> str | None:
    """The format of a model: as recorded, else as its folder looks.

    Args:
        resolved: The model.

    Returns:
        None where it is not recorded and the folder cannot be read, or says nothing.
    """
    recorded = resolved.document.get("format")
    if isinstance(recorded, str):
        return recorded
    place = local_path(resolved.path)
    return None if place is None else format_on_disk(place.expanduser())
