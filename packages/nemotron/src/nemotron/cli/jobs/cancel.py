"""``nemotron jobs cancel``: end a job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.execution.jobs import find_record
from nemo_runspec.execution.jobs.backends import open_backend
from nemo_runspec.execution.jobs.ended import ask_once
from nemotron.cli.app import App, output_mode
from nemotron.cli.jobs.panels import state_word


def run(app: App, values: Mapping[str, Any]) -> int:
    """Ask for a job's end."""
    record = find_record(app.cwd, values["job"])
    with app.waiting("Cancelling the job"), open_backend(record) as backend:
        before = ask_once(record, backend)
        if not before.finished:
            backend.cancel(record)
        now = before if before.finished else ask_once(record, backend)
    mode = output_mode(values)
    if mode == "json":
        asked = not before.finished
        app.document({"job": record.as_dict(), "asked": asked, "status": now.as_dict()})
    elif mode == "text" and before.finished:
        app.say(f"{record.id} has ended already: {state_word(before)}.")
    elif mode == "text":
        app.say(f"{record.id} was asked to end; it is {state_word(now)}.")
    return 0
