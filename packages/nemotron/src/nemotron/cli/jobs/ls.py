"""``nemotron jobs ls``: the jobs that were submitted from here, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.errors import NemotronError
from nemo_runspec.execution.jobs import JobRecord, JobStatus, list_records
from nemo_runspec.execution.jobs.asking import Answer, ask_all
from nemo_runspec.execution.jobs.backends import Backends
from nemo_runspec.execution.jobs.reasons import plain_exit
from nemo_runspec.execution.submission.leftovers import remove_leftovers
from nemotron.cli.app import App, output_mode
from nemotron.cli.jobs.panels import state_word
from nemotron.cli.panels import Panel
from nemotron.cli.tables import table_rows

_HEADS = ("JOB", "STATE", "PROFILE", "ID", "SUBMITTED", "")


def run(app: App, values: Mapping[str, Any]) -> int:
    """List jobs, the newest first."""
    remove_leftovers(app.cwd)
    records = list_records(app.cwd)[: -values["last"] - 1 : -1]
    mode = output_mode(values)
    if mode == "quiet":
        app.write("".join(f"{record.id}\n" for record in records))
        return 0
    with app.waiting("Asking about the jobs"):
        found = _ask(records)
    if mode == "json":
        app.document([_entry(record, status) for record, status in found])
    elif found:
        lines = [_line(record, status) for record, status in found]
        app.panel(Panel(f"Jobs ({len(found)})", table_rows(_HEADS, lines), fill=False))
    else:
        app.say("No job was submitted from here; --run and --batch submit one.")
    return 0


def _ask(records: list[JobRecord]) -> list[tuple[JobRecord, JobStatus]]:
    with Backends() as backends:
        answers = ask_all(records, backends)
    return [(record, _known(answer)) for record, answer in zip(records, answers, strict=True)]


def _known(answer: Answer) -> JobStatus:
    """One machine that does not answer does not hide the jobs of the others."""
    if isinstance(answer, NemotronError):
        return JobStatus("unknown", reason=answer.what)
    return answer


def _line(record: JobRecord, status: JobStatus) -> tuple[str, ...]:
    submitted = record.submitted.astimezone()
    return (
        record.id,
        state_word(status),
        record.profile,
        record.scheduler_id or "",
        submitted.strftime("%m-%d %H:%M"),
        "" if status.reason == plain_exit(status.exit_code or 0) else status.reason or "",
    )


def _entry(record: JobRecord, status: JobStatus) -> dict[str, Any]:
    return {"job": record.as_dict(), "status": status.as_dict()}
