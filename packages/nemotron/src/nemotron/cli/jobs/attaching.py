"""Wait for a submitted job: its output, its changes, its end; and what Ctrl-C means meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from nemo_runspec.artifacts.backends import Delivery, find_backend
from nemo_runspec.errors import NemotronError
from nemo_runspec.execution.jobs import JobBackend, JobRecord, JobStatus
from nemo_runspec.execution.jobs.backends import open_backend, pace_of
from nemo_runspec.execution.jobs.ended import keep_end
from nemo_runspec.execution.jobs.following import Follower, Listener
from nemotron.cli.app import App
from nemotron.cli.job_end import end_of_job
from nemotron.cli.jobs.reports import JobReporter

DETACHED = 130

_QUESTION = "\nThe job goes on without this command. (c)ancel it, (d)etach, or (w)ait on? [d] "

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
    listener = reporter.listener()
    with open_backend(record) as backend:
        follower = Follower(record, backend, listener, pace_of(record), tail=tail)
        status = _follow(app, record, backend, follower, listener)
        if status is None:
            reporter.detached(record)
            return DETACHED
        keep_end(record, status)
        end = end_of_job(record, status, follower.result(), deliveries(record), app.cwd)
    reporter.ended(end)
    return end.exit_code


def deliveries(record: JobRecord) -> Sequence[Delivery]:
    """What W&B has of a job, and what waits, as far as its run directory can be seen from here."""
    if not record.wandb or record.ssh is not None:
        return ()
    return find_backend("wandb").pending(Path(record.job_dir))


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
