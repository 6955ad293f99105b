"""Tell of a chain next to nothing: its references, and why it failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nemo_runspec.execution import ChildStreams, PreparedRun, RunOutcome
from nemo_runspec.execution.pipeline import (
    PipeEnd,
    PipeFile,
    PipeRecord,
    PlannedPipe,
    SubmittedStage,
)
from nemo_runspec.execution.pipeline.record import StageRecord
from nemotron.cli.app import App
from nemotron.cli.errors import error_screen
from nemotron.cli.job_end import JobEnd
from nemotron.cli.jobs.quiet_report import QuietJobReporter
from nemotron.cli.jobs.reporting import JobReporter
from nemotron.cli.panels import screen_of
from nemotron.cli.pipeline.panels import (
    resume_command,
)
from nemotron.cli.run_reports import QuietReporter


class QuietPipeReporter:
    """Prints the references; what a stage says is shown only where it fails."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stage = QuietReporter(app)

    def planned(self, pipe: PlannedPipe) -> None:
        """Print nothing: the exit code says that the chain holds."""

    def opened(self, pipe: PlannedPipe, file: PipeFile) -> None:
        """Print nothing."""

    def begins(self, record: PipeRecord, stage: StageRecord) -> None:
        """Print nothing."""

    def skipped(self, record: PipeRecord, stage: StageRecord) -> None:  # noqa: ARG002 - of one stage
        """Print what the stage made before."""
        self._app.write(f"{stage.artifact}\n" if stage.artifact else "")

    def ended(self, record: PipeRecord, stage: StageRecord) -> None:
        """Print nothing more."""

    def started(self, run: PreparedRun) -> None:
        """Print nothing."""

    @contextmanager
    def streams(self) -> Iterator[ChildStreams]:
        """Hold back what the stage says."""
        with self._stage.streams() as streams:
            yield streams

    def finished(self, outcome: RunOutcome) -> None:
        """Print the references, or what the stage said before it failed."""
        self._stage.finished(outcome)

    def submitted(self, stage: SubmittedStage) -> None:
        """Print the id of a job that nobody waits for."""
        self._app.write(f"{stage.job.id}\n" if stage.job.mode == "batch" else "")

    def job_reporter(self) -> JobReporter:
        """Print a job's references, or what it said before it failed."""
        return QuietJobReporter(self._app)

    def job_ended(self, end: JobEnd) -> None:
        """Print nothing more."""

    def closed(self, end: PipeEnd, file: PipeFile) -> None:  # noqa: ARG002 - the record is quiet too
        """Say how to go on, where a stage failed."""
        if end.exit_code == 0:
            return
        if end.error is not None:
            self._app.err.write(error_screen(end.error, screen_of(self._app.err)))
        self._app.err.write(f"resume: {resume_command(end.record)}\n")
        self._app.err.flush()
