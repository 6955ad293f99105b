"""Run a stage of a chain as a job, and wait for it, with what Ctrl-C means for jobs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from nemo_runspec.execution import RecipePreview
from nemo_runspec.execution.jobs import JobRecord, read_record
from nemo_runspec.execution.jobs.following import Listener
from nemo_runspec.execution.pipeline import (
    PlannedStage,
    StageEnd,
    SubmittedStage,
    submit_stage,
)
from nemo_runspec.execution.pipeline.record import StageRecord
from nemotron.cli.app import App
from nemotron.cli.job_end import JobEnd
from nemotron.cli.jobs.attaching import attach
from nemotron.cli.jobs.reporting import JobReporter, Planned, Submission


class JobObserver(Protocol):
    """Is told what happens to the jobs of a chain."""

    def submitted(self, stage: SubmittedStage) -> None:
        """A stage's job is submitted."""

    def job_reporter(self) -> JobReporter:
        """Make what tells the user about one job."""
        ...

    def job_ended(self, end: JobEnd) -> None:
        """A stage's job has ended."""


class AttachedRunner:
    """Submits each stage with its profile, and follows its job.

    Args:
        app: The invocation.
        observer: Is told about the jobs.
        environ: The environment of jobs on this machine.
    """

    def __init__(self, app: App, observer: JobObserver, environ: Mapping[str, str]) -> None:
        self._app = app
        self._observer = observer
        self._environ = environ

    def run(self, planned: PlannedStage, note: Callable[[Path, str | None], None]) -> StageEnd:
        """Submit a stage, and wait for its end."""
        with self._app.waiting(f"Submitting {planned.stage.name} to {planned.plan.profile}"):
            submitted = submit_stage(planned, note, environ=self._environ)
        self._observer.submitted(submitted)
        return self._follow(submitted.job)

    def rejoin(self, record: StageRecord) -> StageEnd:
        """Wait for the end of a stage whose job was submitted before."""
        return self._follow(read_record(Path(str(record.run_dir))))

    def _follow(self, job: JobRecord) -> StageEnd:
        heard = _Hearing(self._observer)
        code = attach(self._app, job, heard)
        end = heard.end
        if end is None:
            return StageEnd(code, detached=True)
        return StageEnd(
            exit_code=end.exit_code,
            refs=tuple(str(item["ref"]) for item in end.result.artifacts),
            reason=None if end.succeeded else end.error.what,
            cancelled=end.state == "cancelled",
            elsewhere=job.ssh is not None,
        )


class _Hearing:
    """Passes on what is told of a job, and keeps how it ended.

    Args:
        observer: Is told about the jobs.
    """

    def __init__(self, observer: JobObserver) -> None:
        self.end: JobEnd | None = None
        self._observer = observer
        self._reporter = observer.job_reporter()

    def planned(self, planned: Planned) -> None:
        self._reporter.planned(planned)

    def previewed(self, preview: RecipePreview | None) -> None:
        self._reporter.previewed(preview)

    def submitted(self, submission: Submission) -> None:
        self._reporter.submitted(submission)

    def listener(self) -> Listener:
        return self._reporter.listener()

    def detached(self, record: JobRecord) -> None:
        self._reporter.detached(record)

    def ended(self, end: JobEnd) -> None:
        self.end = end
        self._observer.job_ended(end)
        self._reporter.ended(end)
