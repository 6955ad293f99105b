"""Wait for a submitted job: its output, its changes, its end; and what Ctrl-C means meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from nemo_runspec.artifacts.backends import Delivery, TrackingBackend, find_backend
from nemo_runspec.errors import NemotronError, TransferError
from nemo_runspec.execution.jobs import JobBackend, JobRecord, JobStatus
from nemo_runspec.execution.jobs.backends import open_backend, pace_of
from nemo_runspec.execution.jobs.ended import keep_end
from nemo_runspec.execution.jobs.following import Follower, Listener
from nemo_runspec.execution.jobs.tasks import run_folders
from nemo_runspec.run_result import RunResult
from nemo_runspec.scratch import scratch_folder
from nemotron.cli.app import App
from nemotron.cli.job_end import JobEnd, end_of_job
from nemotron.cli.jobs.reporting import JobReporter

DETACHED = 130

_QUESTION = "\nThe job goes on without this command. (c)ancel it, (d)etach, or (w)ait on? [d] "

# Where the W&B backend keeps what waits, in a run directory.
_OUTBOX = "wandb-outbox"

Choice: TypeAlias = Literal["cancel", "detach", "wait"]

_ANSWERS: Mapping[str, Choice] = {
    "": "detach",
    "c": "cancel",
    "cancel": "cancel",
    "d": "detach",
    "detach": "detach",
    "w": "wait",
    "wait": "wait",
}


def attach(app: App, record: JobRecord, reporter: JobReporter, *, tail: int | None = None) -> int:
    """Follow a job to its end, and report it.

    Args:
        app: The invocation.
        record: The job.
        reporter: Who tells the user.
        tail: How many lines to show of what it printed before; None for all.

    Returns:
        The job's own exit code; 130 where the user detached from it.
    """
    try:
        end = _wait_for_the_end(app, record, reporter.listener(), tail)
    except KeyboardInterrupt:
        end = None
    if end is None:
        reporter.detached(record)
        return DETACHED
    reporter.ended(end)
    return end.exit_code


def known_end(app: App, record: JobRecord, status: JobStatus, backend: JobBackend) -> JobEnd:
    """What is known of a job that has ended.

    Args:
        app: The invocation.
        record: The job.
        status: How it ended.
        backend: Who knows about it.
    """
    try:
        result = backend.result(record)
    except TransferError as error:
        app.warn(f"What the job recorded cannot be read now: {error.what}")
        result = RunResult()
    return end_of_job(record, status, result, _deliveries(app, record, backend), app.cwd)


def _wait_for_the_end(
    app: App, record: JobRecord, listener: Listener, tail: int | None
) -> JobEnd | None:
    """Follow until the end; None where the user left before."""
    with open_backend(record) as backend:
        follower = Follower(record, backend, listener, pace_of(record), tail=tail)
        status = _follow(app, record, backend, follower, listener)
        if status is None:
            return None
        keep_end(record, status)
        result, waiting = follower.result(), _deliveries(app, record, backend)
    return end_of_job(record, status, result, waiting, app.cwd)


def _deliveries(app: App, record: JobRecord, backend: JobBackend) -> Sequence[Delivery]:
    """What W&B has of a job, and what waits, as its run directory says."""
    if not record.wandb:
        return ()
    service = find_backend("wandb")
    if record.ssh is None:
        return _pending(service, Path(record.job_dir))
    with scratch_folder("outbox") as folder:
        try:
            backend.copy_folder(record, _OUTBOX, Path(folder))
        except NemotronError as error:
            app.warn(f"Whether records of the job wait for W&B is not known: {error.what}")
        return _pending(service, Path(folder))


def _pending(service: TrackingBackend, job_dir: Path) -> list[Delivery]:
    return [item for folder in run_folders(job_dir) for item in service.pending(folder)]


def _follow(
    app: App, record: JobRecord, backend: JobBackend, follower: Follower, listener: Listener
) -> JobStatus | None:
    """Follow until the end; None where the user left before."""
    asked_to_end = False
    while True:
        try:
            return follower.follow()
        except KeyboardInterrupt:
            choice: Choice = "detach" if asked_to_end else _choice(app)
        if choice == "detach":
            return None
        if choice == "cancel":
            asked_to_end = _cancel(record, backend, listener)


def _cancel(record: JobRecord, backend: JobBackend, listener: Listener) -> bool:
    listener.tell("Cancelling the job; Ctrl-C leaves it to its end.")
    try:
        backend.cancel(record)
    except NemotronError as error:
        listener.tell(f"The job could not be cancelled: {error}")
        return False
    except KeyboardInterrupt:
        return True
    return True


def _choice(app: App) -> Choice:
    """Ask on a terminal; a script, which cannot answer, leaves the job alone."""
    if not (sys.stdin.isatty() and app.err.isatty()):
        return "detach"
    while True:
        try:
            app.err.write(_QUESTION)
            app.err.flush()
            answer = sys.stdin.readline()
        except KeyboardInterrupt:
            app.err.write("\n")
            answer = ""
        word = answer.strip().lower()
        if word in _ANSWERS:
            return _ANSWERS[word]
