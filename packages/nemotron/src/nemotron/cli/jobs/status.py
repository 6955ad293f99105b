"""``nemotron jobs status``: where a job stands, or how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.execution.jobs import JobRecord, JobStatus, find_record
from nemo_runspec.execution.jobs.backends import open_backend
from nemo_runspec.execution.jobs.ended import ask_once
from nemotron.cli.app import App, output_mode
from nemotron.cli.job_panels import completion_panel, failure_panel
from nemotron.cli.jobs.attaching import known_end
from nemotron.cli.jobs.panels import job_rows, state_word
from nemotron.cli.panels import Panel, Row


def run(app: App, values: Mapping[str, Any]) -> int:
    """Show one job."""
    record = find_record(app.cwd, values["job"])
    mode = output_mode(values)
    with app.waiting("Asking about the job"), open_backend(record) as backend:
        status = ask_once(record, backend)
        end = None
        if status.finished and mode != "quiet":
            end = known_end(app, record, status, backend)
    if mode == "quiet":
        app.write(f"{status.state}\n")
    elif mode == "json":
        ending = {} if end is None else end.as_dict()
        app.document({**ending, "job": record.as_dict(), "status": status.as_dict()})
    else:
        app.panel(_panel(record, status))
        if end is not None:
            app.panel(completion_panel(end) if end.succeeded else failure_panel(end))
    return 0


def _panel(record: JobRecord, status: JobStatus) -> Panel:
    rows: list[Row] = [("State:", state_word(status))]
    if status.reason is not None and not status.finished:
        rows.append(("", status.reason))
    rows += [(f"Task {name}:", _task(task)) for name, task in status.tasks.items()]
    if status.restarts:
        rows.append(("Restarts:", str(status.restarts)))
    rows += [
        ("Profile:", f"{record.profile} ({record.executor})"),
        ("Submitted:", record.submitted.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")),
    ]
    known = job_rows(record)
    if status.finished:
        del known["follow"]
    rows += [(f"{label.capitalize()}:", text) for label, text in known.items()]
    return Panel(record.recipe, rows, gap=1, fill=False)


def _task(status: JobStatus) -> str:
    return f"{state_word(status)}{f': {status.reason}' if status.reason else ''}"
