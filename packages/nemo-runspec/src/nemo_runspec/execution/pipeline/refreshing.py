"""Find out where the jobs of a chain stand, before it goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from nemo_runspec.errors import ExecutionError, NemotronError
from nemo_runspec.execution.jobs.asking import ask_all
from nemo_runspec.execution.jobs.backends import Backends
from nemo_runspec.execution.jobs.record import RECORD_FILE, JobRecord, read_record
from nemo_runspec.execution.jobs.status import JobBackend, JobStatus
from nemo_runspec.execution.pipeline.handover import handed_on, nothing_made
from nemo_runspec.execution.pipeline.model import Chain
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
        ExecutionError: Nobody says where a job stands.
        NemotronError: A machine cannot be reached, or what is known of a job cannot be used.
    """
    jobs = {
        each.name: read_record(Path(str(each.run_dir)))
        for each in record.stages
        if each.state in LIVE and each.job is not None and each.run_dir is not None
    }
    found: dict[str, StageRecord] = {}
    with Backends() as backends:
        answers = ask_all(list(jobs.values()), backends)
        for (name, job), answer in zip(jobs.items(), answers, strict=True):
            if isinstance(answer, NemotronError):
                raise answer
            stage = record.stage(name)
            _require_known(stage, answer)
            if answer.state == "succeeded":
                found[name] = _succeeded(stage, job, chain, record.alias, backends.of(job))
            else:
                found[name] = _as_told(stage, answer)
    return replace(record, stages=tuple(found.get(each.name, each) for each in record.stages))


def with_found_jobs(record: PipeRecord) -> PipeRecord:
    """Find the jobs of a command that was killed right after it submitted them.

    A stage's run directory is written down before its job is submitted. From then on the job's
    record lies in it, or what is known of the job that was about to be submitted.

    Args:
        record: What was written down.

    Raises:
        NemotronError: What is known of a job cannot be used, or its machine cannot be reached.
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
    if (folder / RECORD_FILE).is_file():
        return replace(stage, state="submitted", job=read_record(folder).id)
    from nemo_runspec.execution.submission.announcing import find_announced

    job = find_announced(folder)
    return stage if job is None else replace(stage, state="submitted", job=job.id)


def _succeeded(
    stage: StageRecord, job: JobRecord, chain: Chain, alias: str, backend: JobBackend
) -> StageRecord:
    own = next(each for each in chain.stages if each.name == stage.name)
    refs = [str(item["ref"]) for item in backend.result(job).artifacts]
    artifact = handed_on(own, alias, refs, elsewhere=job.ssh is not None)
    if artifact is None and any(stage.name in each.sources for each in chain.stages):
        reason = nothing_made(own, refs)
        return replace(stage, state="failed", exit_code=1, reason=reason, finished_at=utc_now())
    return replace(
        stage, state="succeeded", exit_code=0, artifact=artifact, reason=None, finished_at=utc_now()
    )


def _require_known(stage: StageRecord, status: JobStatus) -> None:
    if status.state == "unknown":
        raise ExecutionError(
            f"Where the stage {stage.name} stands is not known. {status.reason or ''}".rstrip(),
            where=stage.job,
            hint="Go on with the chain when it is.",
        )


def _as_told(stage: StageRecord, status: JobStatus) -> StageRecord:
    if not status.finished:
        return replace(stage, state="running" if status.state == "running" else "submitted")
    return replace(
        stage,
        state="cancelled" if status.state == "cancelled" else "failed",
        exit_code=status.command_code,
        reason=status.reason,
        finished_at=utc_now(),
    )
