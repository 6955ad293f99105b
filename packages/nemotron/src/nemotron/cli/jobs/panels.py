"""Panels and rows that tell about submitted jobs."""

from __future__ import annotations

import shlex

from nemo_runspec.execution.environment import JobEnvironment
from nemo_runspec.execution.jobs import JobRecord, JobStatus
from nemotron.cli.panels import Panel, Row


def job_rows(record: JobRecord) -> dict[str, str]:
    """The rows of the submission tree that name a job, and say how to follow it."""
    rows = {"job": record.id}
    if record.scheduler_id is not None:
        rows[record.executor if record.executor != "local" else "process"] = _place(record)
    return {**rows, "log": record.log_pattern, "follow": follow_command(record)}


def follow_command(record: JobRecord) -> str:
    """The command that follows a job."""
    return shlex.join(["nemotron", "jobs", "logs", "-f", record.id])


def environment_panel(environment: JobEnvironment) -> Panel:
    """Show the variables of a job, who said them, and who was overruled."""
    rows: list[Row] = []
    for row in environment.rows():
        rows.append((f"{row.name}:", f"{row.value}  ({row.source})"))
        rows += [("", f"not {other.shown} of the {other.source}") for other in row.overruled]
    return Panel("Environment", rows or ["No variables of its own."], gap=1, fill=False)


def _place(record: JobRecord) -> str:
    scheduler_id = str(record.scheduler_id)
    return scheduler_id if record.ssh is None else f"{scheduler_id} on {record.ssh['host']}"


def state_word(status: JobStatus) -> str:
    """A job's state for people: ``failed (3)``, ``timed out``."""
    word = status.state.replace("_", " ")
    return f"{word} ({status.exit_code})" if status.state == "failed" else word
