"""Tell of a submitted job next to nothing: its id or its references, and why it failed."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from io import BytesIO
from typing import IO

from nemo_runspec.execution import RecipePreview
from nemo_runspec.execution.jobs import JobRecord
from nemo_runspec.execution.jobs.following import Listener
from nemotron.cli.app import App
from nemotron.cli.errors import error_screen
from nemotron.cli.job_end import JobEnd
from nemotron.cli.jobs.reporting import Planned, Submission
from nemotron.cli.panels import screen_of


class QuietJobReporter:
    """Prints the job's id, or the final references; what it says only where it fails."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._held = ExitStack()
        self._log: IO[bytes] = BytesIO()

    def planned(self, planned: Planned) -> None:
        """Print nothing: the exit code says that the plan holds."""

    def previewed(self, preview: RecipePreview | None) -> None:
        """Print nothing: the exit code says that the data can be used."""

    def submitted(self, submission: Submission) -> None:
        """Print the id of a job that nobody waits for."""
        if submission.record is not None and submission.launch.mode == "batch":
            self._app.write(f"{submission.record.id}\n")
        if submission.script is not None:
            self._app.write(submission.script)

    def listener(self) -> Listener:
        """Hold back what the job says."""
        self._log = self._held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - closed with the stack
        return Listener(self._hold, _ignore)

    def detached(self, record: JobRecord) -> None:
        """Print the job's id."""
        self._held.close()
        self._app.write(f"{record.id}\n")

    def ended(self, end: JobEnd) -> None:
        """Print the references, or what the job said before it failed."""
        if end.succeeded:
            self._app.write("".join(f"{item['ref']}\n" for item in end.result.artifacts))
        else:
            self._log.seek(0)
            self._app.err.write(self._log.read().decode(errors="replace"))
            self._app.err.write(error_screen(end.error, screen_of(self._app.err)))
        self._held.close()

    def _hold(self, data: bytes) -> None:
        self._log.write(data)


def _ignore(_sentence: str) -> None:
    """Tell nobody."""
