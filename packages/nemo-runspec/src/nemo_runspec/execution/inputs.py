"""The artifacts that a job reads: what was asked for, what it means now, whether it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.formats import check_format, check_unconverted, needs_of
from nemo_runspec.artifacts.opening import open_tracking
from nemo_runspec.artifacts.reference import ArtifactReference, is_reference
from nemo_runspec.artifacts.registry import find_artifact_class
from nemo_runspec.artifacts.settings import read_settings
from nemo_runspec.config import find_config, list_configs, load_omegaconf_yaml
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError, ConfigError
from nemo_runspec.naming import output_artifact_name, source_name
from nemo_runspec.resolvers import RunReference, resolve_run_references
from nemo_runspec.resolvers.references import keys_read, references_of
from nemo_runspec.runspec import Runspec
from nemo_runspec.runspec.converters import (
    config_names,
    conversion_command,
    converted_key,
    option_of_config,
)

_UNTYPED = Artifact.__name__
_USUAL_CONFIG = "default"
_SECTION = "run"


@dataclass(frozen=True, slots=True)
class ArtifactInput:
    """One artifact that a job reads.

    Attributes:
        key: Its key in the config's ``run`` section.
        requested: The reference or path as the configuration has it.
        pinned: The reference with its version.
        path: Where its data lies; None where the store is out of reach from here.
        type: Its type; None likewise.
        declared: The type that the recipe declares for the key, if it declares one.
    """

    key: str
    requested: str
    pinned: str
    path: str | None
    type: str | None
    declared: str | None

    def as_dict(self) -> dict[str, Any]:
        """Give the input as JSON data."""
        return {name: getattr(self, name) for name in self.__slots__}


def read_inputs(
    job: DictConfig,
    recipe: Runspec,
    recipes: Iterable[Runspec],
    *,
    visible: Callable[[str], bool] | None = None,
) -> tuple[ArtifactInput, ...]:
    """Resolve the references of a job, and check them against the recipe's declaration.

    Args:
        job: The job's configuration.
        recipe: The recipe that will read them.
        recipes: Every recipe that is known, to name the one that makes a missing artifact.
        visible: Says which references can be looked up from here; by default all.

    Raises:
        ArtifactNotFoundError: An artifact does not exist.
        ArtifactError: An artifact has another type or format than the recipe declares.
    """
    known = tuple(recipes)
    try:
        references = resolve_run_references(job, declared=recipe.artifacts.reads, visible=visible)
    except ArtifactNotFoundError as error:
        raise _with_producer(error, job, recipe, known, visible) from error
    inputs = tuple(_describe(reference, recipe) for reference in references)
    for item in inputs:
        _check_type(item)
    needs = needs_of(recipe, known)
    for reference in references:
        if reference.resolved is not None and reference.key in needs:
            check_format(reference.key, reference.resolved, needs[reference.key])
    _check_conversion(references, recipe)
    return inputs


def unread_inputs(
    job: DictConfig, recipe: Runspec, inputs: Iterable[ArtifactInput]
) -> Iterator[str]:
    """Tell what a job would record as read, and does not read.

    What only a recipe's script reads is in no configuration, the recipe's own neither.

    Args:
        job: The job's configuration.
        recipe: The recipe.
        inputs: What it names.
    """
    read = keys_read(job, _SECTION)
    unread = [item for item in inputs if item.key in recipe.artifacts.reads.keys() - read]
    usually = _usually_read(recipe) if unread else set()
    for item in unread:
        if item.key in usually:
            yield (
                f"Nothing in this configuration reads run.{item.key}, as ${{art:{item.key}}} does "
                f"in {recipe.config.default}; {item.requested} is recorded as an input all the "
                f"same. Read it, or set run.{item.key}=null."
            )


def _usually_read(recipe: Runspec) -> set[str]:
    try:
        file = find_config(recipe.config.dir, recipe.config.default)
        return keys_read(load_omegaconf_yaml(file), _SECTION)
    except ConfigError:
        # This job has another configuration: what is wrong with that one is told to who uses it.
        return set()


def _check_conversion(references: Iterable[RunReference], recipe: Runspec) -> None:
    wanted = recipe.artifacts.written_format
    if not recipe.artifacts.converts or wanted is None:
        return
    for reference in references:
        if reference.resolved is not None and reference.key == converted_key(recipe):
            check_unconverted(reference.key, reference.resolved, wanted)


def _describe(reference: RunReference, recipe: Runspec) -> ArtifactInput:
    resolved = reference.resolved
    return ArtifactInput(
        key=reference.key,
        requested=reference.requested,
        pinned=reference.pinned,
        path=None if resolved is None else resolved.path,
        type=None if resolved is None else resolved.type,
        declared=recipe.artifacts.reads.get(reference.key),
    )


def _check_type(item: ArtifactInput) -> None:
    if item.declared is None or item.type in {None, _UNTYPED, item.declared}:
        return
    declared = find_artifact_class(item.declared)
    found = find_artifact_class(item.type or "")
    if declared is not None and found is not None and issubclass(found, declared):
        return
    raise ArtifactError(
        f"The recipe reads {item.declared}, and {item.pinned} is {item.type}.",
        where=f"run.{item.key}",
        hint=f"Name another with --art.{item.key} NAME:VERSION.",
    )


def _with_producer(
    error: ArtifactNotFoundError,
    job: DictConfig,
    recipe: Runspec,
    recipes: Iterable[Runspec],
    visible: Callable[[str], bool] | None,
) -> ArtifactNotFoundError:
    """Say which command makes the artifact that is missing, where a recipe makes it."""
    missing = _first_missing(job, recipe, visible)
    if missing is None:
        return error
    key, name = missing
    command = _converting_command(name, recipe, recipes) or _producing_command(name, recipes)
    hint = error.hint if command is None else f"Run `{command}` first."
    return ArtifactNotFoundError(f"run.{key}: {error.what}", where=error.where, hint=hint)


def _first_missing(
    job: DictConfig, recipe: Runspec, visible: Callable[[str], bool] | None
) -> tuple[str, str] | None:
    """Find the first reference whose name has no version at all."""
    tracker = open_tracking(read_settings(job), config=OmegaConf.create({})).manifest_tracker
    if tracker is None:
        return None
    for key, text in references_of(job, "run", recipe.artifacts.reads).items():
        if not is_reference(text) or (visible is not None and not visible(text)):
            continue
        name = ArtifactReference.parse(text).name
        try:
            tracker.latest_version(name)
        except ArtifactNotFoundError:
            return key, name
    return None


def _converting_command(name: str, recipe: Runspec, recipes: Iterable[Runspec]) -> str | None:
    """The command that makes a model of a known name by converting another."""
    for each in recipes:
        pattern = each.artifacts.written_name
        source = None if pattern is None else source_name(pattern, name)
        if source is not None and each.artifacts.converts and each.words[0] == recipe.words[0]:
            option = option_of_config(source, config_names(each))
            return f"{conversion_command(each)} {source}{option}"
    return None


def _producing_command(name: str, recipes: Iterable[Runspec]) -> str | None:
    for recipe in recipes:
        if recipe.artifacts.writes is None:
            continue
        for config in list_configs(recipe.config.dir):
            if output_artifact_name(recipe.name, config) == name:
                usual = config == recipe.config.default == _USUAL_CONFIG
                chosen = [] if usual else ["-c", config]
                return " ".join(["nemotron", *recipe.words, *chosen])
    return None
