"""The conversions that a chain needs: where a stage reads another's model in another format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nemo_runspec.artifacts.reference import (
    LATEST,
    ArtifactReference,
    is_reference,
    looks_like_path,
)
from nemo_runspec.errors import UsageError
from nemo_runspec.execution.pipeline.model import ChainRequest, Stage, StageInput
from nemo_runspec.naming import derived_name, source_name
from nemo_runspec.runspec import Runspec
from nemo_runspec.runspec.converters import converted_key, find_converter


@dataclass(frozen=True, slots=True)
class Conversion:
    """A stage that a chain has because another reads what it makes.

    Attributes:
        name: The name of the stage that makes the model, and the recipe's last word.
        recipe: The family's recipe that converts.
        override: What it reads.
    """

    name: str
    recipe: Runspec
    override: str


def conversion_names(request: ChainRequest) -> list[str]:
    """Name every conversion that a chain of the family may have.

    Args:
        request: What the user asks for.
    """
    return [
        _name(stage, converter)
        for stage, recipe in request.stages().items()
        for converter in request.converters()
        if recipe.artifacts.writes == converter.artifacts.reads[converted_key(converter)]
    ]


def find_conversions(stages: Sequence[Stage], request: ChainRequest) -> dict[str, Conversion]:
    """Find what stages read that a conversion of another stage's model makes.

    Args:
        stages: The stages of a chain, without conversions.
        request: What the user asks for.

    Returns:
        The conversions by name.

    Raises:
        UsageError: The family has no recipe that converts.
    """
    writers = {stage.output: stage for stage in stages if stage.recipe.artifacts.writes}
    wanted = (_wanted(stage, item, writers, request) for stage in stages for item in stage.inputs)
    return {found.name: found for found in wanted if found is not None}


def check_format(stage: Stage, item: StageInput, writer: Stage, request: ChainRequest) -> None:
    """Refuse a stage that reads a model as another stage writes it, in the wrong format.

    Args:
        stage: The stage that reads.
        item: What it reads.
        writer: The stage that makes it.
        request: What the user asks for.

    Raises:
        UsageError: The formats differ.
    """
    needed = stage.recipe.artifacts.read_formats.get(item.key)
    written = writer.recipe.artifacts.written_format
    if needed is None or written is None or needed == written:
        return
    converter = find_converter(request.family, needed, request.recipes)
    pattern = None if converter is None else converter.artifacts.written_name
    converted = None if pattern is None else derived_name(pattern, writer.output)
    raise UsageError(
        f"Stage {stage.name} reads a model of the format {needed}, and {writer.name} writes "
        f"{written}.",
        where=f"run.{item.key}: {item.requested}",
        hint=_no_converter(request.family, needed)
        if converted is None
        else f"Let it read what the chain converts: {stage.name}:run.{item.key}={converted}:latest",
    )


def _wanted(
    stage: Stage, item: StageInput, writers: Mapping[str, Stage], request: ChainRequest
) -> Conversion | None:
    name = _latest_of(item)
    if name is None or name in writers:
        return None
    for converter in request.converters():
        source = source_name(converter.artifacts.written_name or "", name)
        writer = None if source is None else writers.get(source)
        if writer is not None and writer.name != stage.name:
            override = f"run.{converted_key(converter)}={source}:{LATEST}"
            return Conversion(_name(writer.name, converter), converter, override)
    _refuse_unconverted(stage, item, writers, request)
    return None


def _refuse_unconverted(
    stage: Stage, item: StageInput, writers: Mapping[str, Stage], request: ChainRequest
) -> None:
    """An earlier conversion's version may be there; it would not be of this chain's model."""
    needed = stage.recipe.artifacts.read_formats.get(item.key)
    name = _latest_of(item) or ""
    writer = writers.get(name.removesuffix(f"-{needed}"))
    if needed is None or writer is None:
        return
    raise UsageError(
        f"Stage {stage.name} reads {item.requested}, what {writer.name} makes in the format "
        f"{needed}.",
        where=f"run.{item.key}",
        hint=_no_converter(request.family, needed),
    )


def _latest_of(item: StageInput) -> str | None:
    """The name of which the latest version is read; None for a version, an alias or a path."""
    if looks_like_path(item.requested) or not is_reference(item.requested):
        return None
    reference = ArtifactReference.parse(item.requested)
    outside = reference.owner is not None or reference.selector != LATEST
    return None if outside else reference.name


def _no_converter(family: str, needed: str) -> str:
    return (
        f"The family {family} has no recipe that converts to {needed}; add {family}/model/convert, "
        "or pin a version that is there: STAGE:run.KEY=NAME:v1"
    )


def _name(stage: str, converter: Runspec) -> str:
    return f"{stage}/{converter.words[-1]}"
