"""Prepare a submission: everything of it stands on this machine before anybody is contacted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from nemo_runspec.errors import ExecutionError, NemotronError, UsageError
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.nemo_run.child import require_nemo_run
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import Profile, SlurmProfile
from nemo_runspec.execution.submission.engines import prepare_for_engine
from nemo_runspec.execution.submission.experiments import Experiment, Task, write_experiment
from nemo_runspec.execution.submission.model import STAGING, Mode, PreparedSubmission


def prepare_submission(
    plan: RecipePlan,
    profile: Profile,
    *,
    mode: Mode,
    folder: Path,
    after: Sequence[JobRecord] = (),
    run_dir: Path | None = None,
) -> PreparedSubmission:
    """Write all that will be sent, and let NeMo-Run write its script.

    Args:
        plan: What is run.
        profile: Where and with what.
        mode: Attached, detached, or only put there for an interactive session.
        folder: Where it is written: the run directory, which is made here, and gone again if
            this fails.
        after: Jobs that have to end well before this one starts.
        run_dir: What the run directory will be called, where this is only to look at.

    Raises:
        MissingDependencyError: NeMo-Run is not installed.
        NemotronError: The profile lacks something, or the recipe cannot be packaged.
    """
    require_nemo_run()
    waiting = _scheduler_ids(after, profile)
    folder = folder.absolute()
    seen_as = (run_dir or folder).absolute()
    with _all_or_nothing(folder):
        if not isinstance(profile, SlurmProfile):
            prepared = prepare_for_engine(plan, profile, mode, folder, seen_as)
        else:
            task = Task(plan=plan, profile=profile, folder=folder, name=plan.title)
            experiment = Experiment(plan.title, seen_as.name, folder, home=seen_as)
            (prepared,) = write_experiment([task], experiment, mode)
    return replace(prepared, after=waiting)


def prepare_experiment(
    tasks: Sequence[Task], experiment: Experiment, *, mode: Mode
) -> tuple[PreparedSubmission, ...]:
    """Write all jobs of an experiment on Slurm; NeMo-Run writes their scripts at once.

    Args:
        tasks: The jobs, each behind those that it waits for. Their run directories are made here,
            and gone again if this fails.
        experiment: What they are part of.
        mode: Attached or detached.

    Returns:
        The jobs, in their order; what each waits for is not said yet.

    Raises:
        MissingDependencyError: NeMo-Run is not installed.
        NemotronError: A profile lacks something, or a recipe cannot be packaged.
    """
    require_nemo_run()
    folders = [task.folder for task in tasks]
    with _all_or_nothing(*folders, also=experiment.folder / STAGING):
        return write_experiment(tasks, experiment, mode)


@contextmanager
def _all_or_nothing(*folders: Path, also: Path | None = None) -> Iterator[None]:
    """Make folders; where what follows fails, they and what else is named are gone again."""
    made = [] if also is None else [also]
    try:
        for folder in folders:
            _make(folder)
            made.append(folder)
        yield
    except BaseException as error:
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and not isinstance(error, NemotronError):
            raise ExecutionError(
                f"The job's files cannot be written: {error.strerror or error}.",
                where=str(folders[0]),
                hint="Free some space there, or start from another folder.",
            ) from error
        raise


def _scheduler_ids(after: Sequence[JobRecord], profile: Profile) -> tuple[str, ...]:
    for record in after:
        if record.scheduler_id is None or record.executor != profile.executor:
            raise UsageError(
                f"The job {record.id} cannot be waited for: the scheduler of {profile.name!r} "
                "does not know it.",
                hint="Submit both with the same profile.",
            )
    return tuple(record.scheduler_id for record in after if record.scheduler_id is not None)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise ExecutionError(
            f"The run directory cannot be created: {error.strerror}.",
            where=str(folder),
            hint="Start from a folder that you may write to.",
        ) from error
