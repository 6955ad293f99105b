"""Start a chain, or go on with one that was stopped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nemo_runspec.errors import ExecutionError, UsageError
from nemo_runspec.execution.elsewhere import runs_elsewhere
from nemo_runspec.execution.pipeline.addressing import find_stage, split_address
from nemo_runspec.execution.pipeline.alone import processes_of
from nemo_runspec.execution.pipeline.chain import build_chain
from nemo_runspec.execution.pipeline.handover import why_gone
from nemo_runspec.execution.pipeline.model import Chain, ChainRequest
from nemo_runspec.execution.pipeline.ordering import following
from nemo_runspec.execution.pipeline.planning import PlannedPipe, plan_pipe, succeeded
from nemo_runspec.execution.pipeline.record import (
    LIVE,
    PipeFile,
    PipeMode,
    PipeRecord,
    StageRecord,
    new_pipe_folder,
)
from nemo_runspec.execution.pipeline.refreshing import refresh, with_found_jobs


def start_pipe(request: ChainRequest, mode: PipeMode = "local") -> tuple[PlannedPipe, PipeFile]:
    """Plan a new chain; nothing is written yet.

    Args:
        request: What the user asks for.
        mode: How its stages are run.

    Returns:
        The chain, and its record, to be created when it runs.

    Raises:
        NemotronError: A stage cannot be planned, or they make no chain.
    """
    chain = build_chain(request)
    folder = new_pipe_folder(request.cwd, request.family)
    pipe = plan_pipe(chain, request, pipe_id=folder.name, mode=mode)
    return pipe, PipeFile(folder, pipe.record)


@dataclass(frozen=True, slots=True)
class ContinuedPipe:
    """The rest of a chain that was stopped.

    Attributes:
        pipe: The chain.
        told: Sentences on what has to run again.
        stale: Stages whose jobs wait for what will not come; they are to be cancelled.
    """

    pipe: PlannedPipe
    told: tuple[str, ...]
    stale: tuple[StageRecord, ...]


def continue_pipe(file: PipeFile, request: ChainRequest, mode: PipeMode) -> ContinuedPipe:
    """Plan the rest of a chain that was stopped; its record on disk is left as it is.

    Args:
        file: Its record.
        request: What the user adds: overrides, another profile.
        mode: How the rest is run.

    Raises:
        ExecutionError: A stage of it still runs.
        UsageError: It cannot go on like this: an override is for a stage that has run, a recipe
            is gone, artifacts would be recorded elsewhere.
        NemotronError: A stage cannot be planned.
    """
    record = with_found_jobs(file.record)
    _refuse_running(record)
    whole = replace(
        request,
        config=record.config,
        stage_configs=record.stage_configs,
        overrides=(*record.overrides, *request.overrides),
        only=tuple(stage.name for stage in record.stages),
    )
    chain = build_chain(whole)
    _check_same(chain, record)
    record = refresh(record, chain)
    again, told = _to_repeat(chain, record)
    waiting = replace(record, stages=tuple(_reset(each, again) for each in record.stages))
    _refuse_late(request.overrides, waiting)
    pipe = plan_pipe(chain, whole, pipe_id=record.id, mode=mode, earlier=waiting)
    stale = [each for each in record.stages if _has_job(each) and each.name in again]
    return ContinuedPipe(pipe, told, tuple(stale))


def _refuse_running(record: PipeRecord) -> None:
    for stage in record.stages:
        left_behind = stage.state == "running" and stage.job is None and stage.run_dir is not None
        alive = processes_of(str(stage.run_dir)) if left_behind else []
        if alive:
            numbers = " ".join(map(str, alive))
            raise ExecutionError(
                f"Stage {stage.name} of this chain still runs, left behind by a command that was "
                "killed.",
                where=stage.run_dir,
                hint=f"Wait for its end, or end it with: kill {numbers}",
            )


def _check_same(chain: Chain, record: PipeRecord) -> None:
    present = {stage.name for stage in chain.stages}
    gone = [stage.name for stage in record.stages if stage.name not in present]
    if gone:
        raise UsageError(
            f"The chain has the stage {gone[0]}, whose recipe or configuration is gone.",
            hint=f"Bring it back, or start a new chain: nemotron {record.family} pipe",
        )
    root = chain.stages[0].tracking.root
    if root != record.root:
        raise UsageError(
            f"The chain records in {record.root or 'no manifest store'}, not in {root or 'none'}.",
            where="artifacts.manifest.root",
            hint=f"Resume it with --root {record.root}" if record.root else None,
        )


def _to_repeat(chain: Chain, record: PipeRecord) -> tuple[set[str], tuple[str, ...]]:
    """The stages that have to run, and those that read from them."""
    done = succeeded(record)
    elsewhere = record.profile is not None and runs_elsewhere(record.profile)
    told: list[str] = []
    gone: list[str] = []
    for stage in chain.stages:
        reason = None
        if stage.name in done:
            reason = why_gone(stage.tracking, done[stage.name], record.alias, elsewhere=elsewhere)
        if reason is not None:
            gone.append(stage.name)
            told.append(f"Stage {stage.name} runs again: {done[stage.name].artifact} {reason}.")
    ahead = [each.name for each in record.stages if not _is_settled(each)]
    again = following([*gone, *ahead], chain.stages)
    later = [name for name in done if name in again and name not in gone]
    if later:
        told.append(f"So do those that read from it: {', '.join(later)}.")
    return again, tuple(told)


def _is_settled(stage: StageRecord) -> bool:
    """Whether a stage has run, or has a job that may still run."""
    return stage.state == "succeeded" or _has_job(stage)


def _has_job(stage: StageRecord) -> bool:
    return stage.state in LIVE and stage.job is not None


def _reset(stage: StageRecord, again: set[str]) -> StageRecord:
    return replace(stage, state="waiting") if stage.name in again else stage


def _refuse_late(overrides: Sequence[str], record: PipeRecord) -> None:
    names = [stage.name for stage in record.stages]
    for text in overrides:
        written, _ = split_address(text)
        name = None if written is None else find_stage(written, names)
        if name in succeeded(record):
            raise UsageError(
                f"Stage {name} has run already.",
                where=text,
                hint="Leave it out, or start a new chain with it: "
                f"nemotron {record.family} pipe --from {name} {text}",
            )
