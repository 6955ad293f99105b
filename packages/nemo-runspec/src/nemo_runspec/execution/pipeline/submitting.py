"""Submit the stages of a chain as jobs of a profile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from nemo_runspec.distributed.folders import propose_run_directory
from nemo_runspec.execution.jobs.local_submission import local_script, submit_locally
from nemo_runspec.execution.jobs.record import JobRecord, read_record
from nemo_runspec.execution.local import prepare_run
from nemo_runspec.execution.pipeline.experiment import prepare_all, profile_of
from nemo_runspec.execution.pipeline.planning import PlannedPipe, PlannedStage
from nemo_runspec.execution.pipeline.record import LIVE, PipeFile, utc_now
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import Profile, SlurmProfile
from nemo_runspec.scratch import scratch_folder

if TYPE_CHECKING:
    from nemo_runspec.execution.shells import ClusterShell
    from nemo_runspec.execution.submission import PreparedSubmission

_HERE = "local"
_AT_ONCE = 4
_DRY_RUN = "dry-run"


_Waiting: TypeAlias = "list[tuple[PlannedStage, PreparedSubmission]]"


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
        from nemo_runspec.execution.submission import prepare_submission, submit

        folder = _run_dir(planned.plan)
        prepared = prepare_submission(planned.plan, profile, mode="run", folder=folder)
        note(prepared.folder, None)
        job = submit(prepared)
    note(job.run_dir, job.id)
    return SubmittedStage(planned, profile, job)


def submit_pipe(
    pipe: PlannedPipe, file: PipeFile, submitted: Callable[[SubmittedStage], None]
) -> None:
    """Submit all stages that have not run at once, each to start after those that it needs.

    They are one experiment. All of them are prepared before the first is submitted.

    Args:
        pipe: The chain.
        file: Its record, which is kept up to date.
        submitted: Called with each stage when its job is submitted.

    Raises:
        UsageError: The profile has no queue.
        NemotronError: A stage cannot be prepared or sent; then none is submitted. Or it cannot
            be submitted; then those before it are.
    """
    from nemo_runspec.execution.submission import give_up, send_experiment
    from nemo_runspec.execution.submission.model import STAGING

    jobs = {
        stage.name: read_record(Path(str(stage.run_dir)))
        for stage in file.record.stages
        if stage.state in LIVE
    }
    with ExitStack() as connections:
        connections.callback(shutil.rmtree, file.folder / STAGING, ignore_errors=True)
        shells = _Shells(connections)
        run_dirs = [_run_dir(each.plan) for each in pipe.stages]
        prepared = prepare_all(pipe, file.folder, run_dirs)
        try:
            sent = send_experiment(prepared, shells.of)
        except BaseException:
            for run_dir in run_dirs:
                shutil.rmtree(run_dir, ignore_errors=True)
            raise
        waiting = list(zip(pipe.stages, sent, strict=True))
        try:
            while waiting:
                submitted(_submit_first(waiting, jobs, file, shells))
        except BaseException as error:
            for _, job in waiting:
                give_up(job, shells.of(job.profile), error)
            raise


def _submit_first(
    waiting: _Waiting, jobs: dict[str, JobRecord], file: PipeFile, shells: _Shells
) -> SubmittedStage:
    """Submit the first of the stages that wait; it has left them when it is submitted."""
    from nemo_runspec.execution.submission import submit_sent
    from nemo_runspec.signals import not_now

    each, job = waiting[0]
    after = (jobs[name].scheduler_id for name in sorted(each.stage.sources & jobs.keys()))
    numbers = tuple(number for number in after if number is not None)
    file.update(each.stage.name, run_dir=str(job.folder), job=None)
    with not_now():
        record = submit_sent(replace(job, after=numbers), shells.of(job.profile))
        del waiting[0]
        jobs[each.stage.name] = record
        _write_down(each, record, file)
    return SubmittedStage(each, job.profile, record)


def scripts_of(pipe: PlannedPipe) -> dict[str, str]:
    """Spell what would be submitted for each stage, to the byte but for its stamp.

    Args:
        pipe: A chain whose stages are jobs.

    Returns:
        Each stage's name and script.

    Raises:
        UsageError: Its stages are to be submitted at once, and the profile has no queue.
        NemotronError: A stage cannot be prepared.
    """
    names = [each.stage.name for each in pipe.stages]
    if pipe.record.mode == "batch":
        with scratch_folder(_DRY_RUN) as folder:
            prepared = prepare_all(pipe, Path(folder), [Path(folder, name) for name in names])
        return {name: job.script for name, job in zip(names, prepared, strict=True)}
    with ThreadPoolExecutor(min(_AT_ONCE, os.cpu_count() or 1)) as pool:
        return dict(zip(names, pool.map(_script, pipe.stages), strict=True))


def _script(planned: PlannedStage) -> str:
    profile, plan = profile_of(planned.plan), planned.plan
    if profile.executor == _HERE:
        return local_script(plan, profile, Path("RUN_DIR"))
    from nemo_runspec.execution.submission import prepare_submission

    with scratch_folder(_DRY_RUN) as folder:
        return prepare_submission(
            plan, profile, mode="run", folder=Path(folder, "run"), run_dir=_run_dir(plan)
        ).script


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
