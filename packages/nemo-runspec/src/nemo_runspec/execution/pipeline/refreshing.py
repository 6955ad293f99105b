"""Find out where the jobs of a chain stand, before it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nemo_runspec.execution.jobs.backends import Backends
from nemo_runspec.execution.jobs.ended import ask_once
from nemo_runspec.execution.jobs.record import RECORD_FILE, read_record
from nemo_runspec.execution.jobs.status import JobStatus
from nemo_runspec.execution.pipeline.handover import handed_on, nothing_made
from nemo_runspec.execution.pipeline.model import Chain, Stage
from nemo_runspec.execution.pipeline.record import (
    LIVE,
    PipeRecord,
    StageRecord,
    StageState,
    utc_now,
)

_MAY_HAVE_A_JOB: frozenset[StageState] = frozenset({"waiting", "running"})


def refresh(record: PipeRecord, chain: Chain) -> PipeRecord:
    """Ask about the jobs of a chain that may have ended since.

    Args:
        record: What was written down.
        chain: The stages.

    Returns:
        What is known now.

    Raises:
        NemotronError: A machine cannot be reached, or what is known of a job cannot be used.
    """
    stages = {stage.name: stage for stage in chain.stages}
    with Backends() as backends:
        known = tuple(_asked(each, stages, record, backends) for each in record.stages)
    return replace(record, stages=known)


def with_found_jobs(record: PipeRecord) -> PipeRecord:
    """Find the jobs of a command that was killed right after it submitted them.

    A stage's run directory is written down before its job is submitted, and the job's record lies
    in it from then on.

    Args:
        record: What was written down.
    """
    return replace(record, stages=tuple(_found(each) for each in record.stages))


def cancel_jobs(stages: Sequence[StageRecord]) -> None:
    """Cancel jobs that wait for what will not come.

    Args:
        stages: The stages whose jobs they are.

    Raises:
        NemotronError: A machine cannot be reached, or refuses.
    """
    with Backends() as backends:
        for stage in stages:
            job = read_record(Path(str(stage.run_dir)))
            backends.of(job).cancel(job)


def _found(stage: StageRecord) -> StageRecord:
    if stage.job is not None or stage.run_dir is None or stage.state not in _MAY_HAVE_A_JOB:
        return stage
    folder = Path(stage.run_dir)
    if not (folder / RECORD_FILE).is_file():
        return stage
    return replace(stage, state="submitted", job=read_record(folder).id)


def _asked(
    stage: StageRecord, stages: Mapping[str, Stage], record: PipeRecord, backends: Backends
) -> StageRecord:
    if stage.state not in LIVE or stage.job is None or stage.run_dir is None:
        return stage
    job = read_record(Path(stage.run_dir))
    backend = backends.of(job)
    status = ask_once(job, backend)
    if not status.finished:
        return replace(stage, state="running" if status.state == "running" else "submitted")
    if status.state != "succeeded":
        return _ended_badly(stage, status)
    own = stages[stage.name]
    refs = [str(item["ref"]) for item in backend.result(job).artifacts]
    artifact = handed_on(own, record.alias, refs, elsewhere=job.ssh is not None)
    if artifact is None and any(stage.name in each.sources for each in stages.values()):
        reason = nothing_made(own, refs)
        return replace(stage, state="failed", exit_code=1, reason=reason, finished_at=utc_now())
    return replace(
        stage, state="succeeded", exit_code=0, artifact=artifact, reason=None, finished_at=utc_now()
    )


def _ended_badly(stage: StageRecord, status: JobStatus) -> StageRecord:
    return replace(
        stage,
        state="cancelled" if status.state == "cancelled" else "failed",
        exit_code=status.command_code,
        reason=status.reason,
        finished_at=utc_now(),
    )
