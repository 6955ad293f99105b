"""What stages leave open that the chain makes: how they would read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nemo_runspec.artifacts.reference import LATEST
from nemo_runspec.execution.pipeline.model import Chain, ChainRequest, Stage
from nemo_runspec.naming import derived_name
from nemo_runspec.runspec.converters import find_converter


@dataclass(frozen=True, slots=True)
class Offer:
    """What a stage could read of its chain, and does not.

    Attributes:
        stage: The stage that reads nothing under the key.
        key: The key in ``run``.
        writer: The last stage before it that makes such an artifact.
        override: What has it read that, in the format that it needs.
    """

    stage: str
    key: str
    writer: str
    override: str


def offers(chain: Chain, request: ChainRequest) -> Iterator[Offer]:
    """Find what stages could read of their chain where their configuration names nothing.

    That is no mistake: such a stage has what it starts from of its own, or cannot run.

    Args:
        chain: The stages, in their order.
        request: What the user asks for.
    """
    for number, stage in enumerate(chain.stages):
        for key in stage.unset:
            found = _made_before(stage, key, chain.stages[:number], request)
            if found is not None:
                yield found


def _made_before(
    stage: Stage, key: str, before: Sequence[Stage], request: ChainRequest
) -> Offer | None:
    kind = stage.recipe.artifacts.reads[key]
    writers = (
        each
        for each in reversed(before)
        if each.recipe.artifacts.writes == kind and not each.recipe.artifacts.converts
    )
    writer = next(writers, None)
    name = None if writer is None else _as_needed(writer, stage, key, request)
    if writer is None or name is None:
        return None
    return Offer(stage.name, key, writer.name, f"{stage.name}:run.{key}={name}:{LATEST}")


def _as_needed(writer: Stage, stage: Stage, key: str, request: ChainRequest) -> str | None:
    needed = stage.recipe.artifacts.read_formats.get(key)
    if needed is None or writer.recipe.artifacts.written_format in {None, needed}:
        return writer.output
    converter = find_converter(request.family, needed, request.recipes)
    pattern = None if converter is None else converter.artifacts.written_name
    return None if pattern is None else derived_name(pattern, writer.output)
