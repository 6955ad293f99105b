"""``nemotron jobs logs``: what a job prints, as far as it is, or until it ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.execution.jobs import JobBackend, JobRecord, find_record
from nemo_runspec.execution.jobs.backends import open_backend
from nemo_runspec.execution.jobs.following import last_lines
from nemo_runspec.execution.jobs.status import OutputPosition
from nemotron.cli.app import App, output_mode
from nemotron.cli.jobs.attaching import attach
from nemotron.cli.jobs.reporters import reporter_for


def run(app: App, values: Mapping[str, Any]) -> int:
    """Show what a job printed; with ``--follow`` wait for its end."""
    record = find_record(app.cwd, values["job"])
    mode = output_mode(values)
    if values["follow"]:
        return attach(app, record, reporter_for(app, mode), tail=values["tail"])
    with open_backend(record) as backend:
        printed = _all(record, backend)
    tail = values["tail"]
    text = (printed if tail is None else last_lines(printed, tail)).decode(errors="replace")
    if mode == "json":
        app.document({"job": record.as_dict(), "log": text})
    else:
        app.write(text)
    if not printed and mode != "quiet":
        app.warn(
            "Nothing that the job printed is there, yet or any more; how it stands says "
            f"'nemotron jobs status {record.id}'."
        )
    return 0


def _all(record: JobRecord, backend: JobBackend) -> bytes:
    position = OutputPosition()
    parts: list[bytes] = []
    while True:
        chunk = backend.read_output(record, position)
        if not chunk.data:
            return b"".join(parts)
        parts.append(chunk.data)
        position = chunk.position
