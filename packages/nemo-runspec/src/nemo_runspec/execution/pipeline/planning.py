"""Plan the stages of a chain: pin what is there already, and name what will be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.config.grammar import render_value
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError
from nemo_runspec.execution.pipeline.addressing import without_secrets
from nemo_runspec.execution.pipeline.model import Chain, ChainRequest, Stage, StageInput
from nemo_runspec.execution.pipeline.record import (
    LIVE,
    InputRecord,
    PipeMode,
    PipeRecord,
    StageRecord,
    pipe_alias,
    utc_now,
)
from nemo_runspec.execution.plan import RecipePlan, RecipeRequest, plan_recipe
from nemo_runspec.redaction import redact_words


@dataclass(frozen=True, slots=True)
class PlannedStage:
    """A stage, with everything checked that can be before the stages before it ran.

    Attributes:
        stage: The stage.
        plan: Its job; what other stages make is in it by name and alias.
        record: What is written down of it.
    """

    stage: Stage
    plan: RecipePlan
    record: StageRecord


@dataclass(frozen=True, slots=True)
class PlannedPipe:
    """A chain that is ready to run.

    Attributes:
        chain: Its stages, and what was left out.
        request: What the user asked for.
        stages: The stages that have neither run nor been submitted yet, planned.
        record: What is written down of it.
    """

    chain: Chain
    request: ChainRequest
    stages: tuple[PlannedStage, ...]
    record: PipeRecord

    def stage(self, name: str) -> Stage:
        """Find a stage by its name."""
        return next(stage for stage in self.chain.stages if stage.name == name)


def plan_pipe(
    chain: Chain,
    request: ChainRequest,
    *,
    pipe_id: str,
    mode: PipeMode = "local",
    earlier: PipeRecord | None = None,
) -> PlannedPipe:
    """Check every stage that has not run, and pin what it reads from outside the chain.

    Args:
        chain: The stages.
        request: What the user asked for.
        pipe_id: What tells this chain from others.
        mode: How its stages are run.
        earlier: The record of the same chain, where it goes on.

    Raises:
        ArtifactNotFoundError: A stage reads what no stage makes and no store has.
        NemotronError: A stage cannot be planned.
    """
    made = [] if earlier is None else [*succeeded(earlier)]
    known = () if earlier is None else earlier.stages
    kept = {each.name: each for each in known if each.name in made or each.state in LIVE}
    planned = {
        stage.name: plan_stage(stage, request, pipe_id=pipe_id, earlier=earlier, made=made)
        for stage in chain.stages
        if stage.name not in kept
    }
    records = {**kept, **{name: each.record for name, each in planned.items()}}
    root = chain.stages[0].tracking.root if chain.stages else None
    record = PipeRecord(
        id=pipe_id,
        family=chain.family,
        created_at=utc_now() if earlier is None else earlier.created_at,
        argv=tuple(redact_words(request.argv)) if earlier is None else earlier.argv,
        config=request.config,
        stage_configs=dict(request.stage_configs),
        overrides=tuple(map(without_secrets, request.overrides)),
        root=root,
        mode=mode,
        profile=request.profile,
        stages=tuple(records[stage.name] for stage in chain.stages),
    )
    return PlannedPipe(chain, request, tuple(planned.values()), record)


def plan_stage(
    stage: Stage,
    request: ChainRequest,
    *,
    pipe_id: str,
    earlier: PipeRecord | None = None,
    made: Sequence[str] = (),
) -> PlannedStage:
    """Plan one stage.

    Args:
        stage: The stage.
        request: What the user asked for.
        pipe_id: What tells its chain from others.
        earlier: The record of its chain, where there is one: what is pinned there stays so.
        made: The stages that have run: what they made is looked up, the rest awaited.

    Raises:
        ArtifactNotFoundError: It reads what no stage makes and no store has.
        NemotronError: It cannot be planned.
    """
    alias = pipe_alias(pipe_id)
    before = None if earlier is None else _known(earlier, stage.name)
    given = {item.key: _reference(item, alias, before) for item in stage.inputs}
    awaited = {given[item.key] for item in stage.inputs if item.source not in {None, *made}}
    plan = _plan(stage, request, alias, given, frozenset(awaited))
    pinned = {item.key: item.pinned for item in plan.inputs if item.path is not None}
    inputs = tuple(
        InputRecord(
            key=item.key,
            requested=item.requested,
            # What is there before the chain runs means the same to all of it.
            reference=given[item.key] if item.source else pinned.get(item.key, given[item.key]),
            source=item.source,
            pinned=pinned.get(item.key),
        )
        for item in stage.inputs
    )
    fresh = StageRecord(
        name=stage.name, recipe=stage.recipe.name, config=stage.config, output=stage.output
    )
    record = replace(before or fresh, config=stage.config, output=stage.output, inputs=inputs)
    return PlannedStage(stage, plan, record)


def _plan(
    stage: Stage,
    request: ChainRequest,
    alias: str,
    given: dict[str, str],
    awaited: frozenset[str],
) -> RecipePlan:
    references = (f"run.{key}={render_value(text)}" for key, text in given.items())
    aliases = render_value([*stage.aliases, alias])
    try:
        return plan_recipe(
            RecipeRequest(
                recipe=stage.recipe,
                config=stage.config,
                overrides=(*stage.overrides, *references, f"run.aliases={aliases}"),
                argv=request.argv,
                cwd=request.cwd,
                recipes=request.recipes,
                profile=request.profile,
                awaited=awaited,
            )
        )
    except ArtifactNotFoundError as error:
        raise ArtifactNotFoundError(
            f"Stage {stage.name} reads what no stage of this chain makes. {error.what}",
            where=error.where,
            hint=error.hint,
        ) from error
    except ArtifactError as error:
        what = f"Stage {stage.name} cannot read what it names. {error.what}"
        raise type(error)(what, where=error.where, hint=error.hint) from error


def _reference(item: StageInput, alias: str, before: StageRecord | None) -> str:
    if item.source is not None:
        return str(replace(ArtifactReference.parse(item.requested), selector=alias))
    for known in () if before is None else before.inputs:
        if (known.key, known.requested, known.source) == (item.key, item.requested, None):
            return known.reference
    return item.requested


def succeeded(record: PipeRecord) -> dict[str, StageRecord]:
    """The stages of a chain that have run, by their names."""
    return {stage.name: stage for stage in record.stages if stage.state == "succeeded"}


def _known(record: PipeRecord, name: str) -> StageRecord | None:
    return next((each for each in record.stages if each.name == name), None)
