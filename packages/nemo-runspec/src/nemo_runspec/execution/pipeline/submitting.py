"""Submit the stages of a chain as jobs of a profile."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nemo_runspec.distributed.folders import propose_run_directory
from nemo_runspec.errors import UsageError
from nemo_runspec.execution.jobs.local_submission import local_script, submit_locally
from nemo_runspec.execution.jobs.record import JobRecord, read_record
from nemo_runspec.execution.local import prepare_run
from nemo_runspec.execution.pipeline.planning import PlannedPipe, PlannedStage
from nemo_runspec.execution.pipeline.record import LIVE, PipeFile, utc_now
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import Profile, SlurmProfile, read_profile

if TYPE_CHECKING:
    from nemo_runspec.execution.shells import ClusterShell
    from nemo_runspec.execution.submission import PreparedSubmission

_AFTER_SUCCESS = "afterok"
_HERE = "local"
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class SubmittedStage:
    """A stage whose job is submitted.

    Attributes:
        planned: The stage.
        profile: The profile that it runs with.
        job: Its job.
    """

    planned: PlannedStage
    profile: Profile
    job: JobRecord


def profile_of(plan: RecipePlan) -> Profile:
    """The profile that a stage's job runs with; jobs that depend on it need its success.

    Raises:
        ProfileError: It cannot be used.
    """
    profile = read_profile(plan.job, plan.recipe, name=str(plan.profile))
    if isinstance(profile, SlurmProfile):
        return replace(profile, dependency_type=_AFTER_SUCCESS)
    return profile


def submit_stage(
    planned: PlannedStage,
    note: Callable[[Path, str | None], None],
    *,
    environ: Mapping[str, str] | None = None,
) -> SubmittedStage:
    """Submit one stage whose inputs are there.

    Args:
        planned: The stage.
        note: Called with the run directory before the job is submitted, and again with the job's
            id: whoever is killed in between leaves a job that can be found.
        environ: The environment of a job on this machine; by default this process's own.

    Raises:
        NemotronError: It cannot be prepared, sent or submitted.
    """
    profile = profile_of(planned.plan)
    if profile.executor == _HERE:
        run = prepare_run(planned.plan)
        note(run.run_dir, None)
        job = submit_locally(run, profile, mode="run", environ=environ)
    else:
        from nemo_runspec.execution.submission import submit

        prepared = _prepared(planned, profile, "run")
        note(prepared.folder, None)
        job = submit(prepared)
    note(job.run_dir, job.id)
    return SubmittedStage(planned, profile, job)


def submit_pipe(
    pipe: PlannedPipe, file: PipeFile, submitted: Callable[[SubmittedStage], None]
) -> None:
    """Submit all stages that have not run at once, each to start after those that it needs.

    All of them are prepared before the first is submitted.

    Args:
        pipe: The chain.
        file: Its record, which is kept up to date.
        submitted: Called with each stage when its job is submitted.

    Raises:
        UsageError: The profile has no queue.
        NemotronError: A stage cannot be prepared; then none is submitted. Or it cannot be
            submitted; then those before it are.
    """
    jobs = {
        stage.name: read_record(Path(str(stage.run_dir)))
        for stage in file.record.stages
        if stage.state in LIVE
    }
    prepared = _prepare_all(pipe.stages)
    with ExitStack() as connections:
        connections.callback(_forget, prepared)
        shells = _Shells(connections)
        while prepared:
            each, job = prepared[0]
            after = (jobs[name].scheduler_id for name in sorted(each.stage.sources & jobs.keys()))
            numbers = tuple(number for number in after if number is not None)
            file.update(each.stage.name, run_dir=str(job.folder), job=None)
            record = _submit(replace(job, after=numbers), shells)
            prepared.pop(0)
            jobs[each.stage.name] = record
            _write_down(each, record, file)
            submitted(SubmittedStage(each, job.profile, record))


def require_queue(pipe: PlannedPipe) -> None:
    """Refuse a profile whose jobs cannot wait for each other.

    Args:
        pipe: A chain that is to be submitted at once.

    Raises:
        UsageError: It has no queue.
        ProfileError: It cannot be used.
    """
    for each in pipe.stages:
        profile = profile_of(each.plan)
        if profile.executor != "slurm":
            raise UsageError(
                f"Jobs of the profile {profile.name!r} ({profile.executor}) cannot wait for each "
                "other, as the stages of a chain have to.",
                hint=f"Let this command wait: --run {profile.name}",
            )


def scripts_of(stages: Sequence[PlannedStage]) -> dict[str, str]:
    """Spell what would be submitted for each stage, to the byte but for its stamp.

    Args:
        stages: The stages.

    Returns:
        Each stage's name and script.

    Raises:
        NemotronError: A stage cannot be prepared.
    """
    with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as pool:
        return dict(
            zip((each.stage.name for each in stages), pool.map(_script, stages), strict=True)
        )


def _script(planned: PlannedStage) -> str:
    profile, plan = profile_of(planned.plan), planned.plan
    if profile.executor == _HERE:
        return local_script(plan, profile, Path("RUN_DIR"))
    from nemo_runspec.execution.submission import prepare_submission

    with tempfile.TemporaryDirectory(prefix="nemotron-dry-run-") as folder:
        return prepare_submission(
            plan, profile, mode="run", folder=Path(folder, "run"), run_dir=_run_dir(plan)
        ).script


_Prepared = list[tuple[PlannedStage, "PreparedSubmission"]]


def _prepare_all(stages: Sequence[PlannedStage]) -> _Prepared:
    """Prepare all stages or none; each waits mostly for a NeMo-Run that starts."""
    pool = ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1))
    jobs = [pool.submit(_prepared, each, profile_of(each.plan), "batch") for each in stages]
    try:
        return [(each, job.result()) for each, job in zip(stages, jobs, strict=True)]
    except BaseException:
        pool.shutdown(cancel_futures=True)
        ended = (job for job in jobs if not job.cancelled() and job.exception() is None)
        for job in ended:
            shutil.rmtree(job.result().folder, ignore_errors=True)
        raise
    finally:
        pool.shutdown()


def _prepared(
    planned: PlannedStage, profile: Profile, mode: Literal["run", "batch"]
) -> PreparedSubmission:
    from nemo_runspec.execution.submission import prepare_submission

    return prepare_submission(planned.plan, profile, mode=mode, folder=_run_dir(planned.plan))


def _run_dir(plan: RecipePlan) -> Path:
    return propose_run_directory(plan.cwd, plan.title)


class _Shells:
    """Connections to the machines that jobs are submitted on, one to each.

    Args:
        connections: Closes them.
    """

    def __init__(self, connections: ExitStack) -> None:
        self._connections = connections
        self._known: dict[str, ClusterShell] = {}

    def of(self, profile: Profile) -> ClusterShell:
        from nemo_runspec.execution.shells import open_shell

        target = str(profile.ssh_target() if isinstance(profile, SlurmProfile) else None)
        if target not in self._known:
            self._known[target] = self._connections.enter_context(open_shell(profile))
        return self._known[target]


def _submit(job: PreparedSubmission, shells: _Shells) -> JobRecord:
    from nemo_runspec.execution.submission import submit

    return submit(job, shell=shells.of(job.profile))


def _forget(prepared: _Prepared) -> None:
    """Remove what was prepared, and is not submitted."""
    for _, job in prepared:
        shutil.rmtree(job.folder, ignore_errors=True)


def _write_down(planned: PlannedStage, job: JobRecord, file: PipeFile) -> None:
    file.update(
        planned.stage.name,
        state="submitted",
        run_dir=str(job.run_dir),
        job=job.id,
        started_at=utc_now(),
        inputs=planned.record.inputs,
        finished_at=None,
        exit_code=None,
        reason=None,
        artifact=None,
    )
