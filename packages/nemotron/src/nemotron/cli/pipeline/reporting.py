"""What is told of a chain, and when; each way of telling it is a module of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from nemo_runspec.execution import ChildStreams, PreparedRun, RunOutcome
from nemo_runspec.execution.pipeline import (
    PipeEnd,
    PipeFile,
    PlannedPipe,
    SubmittedStage,
)
from nemo_runspec.execution.pipeline.driver import PipeObserver
from nemotron.cli.jobs.launch import Launch, Mode
from nemotron.cli.jobs.reporting import Submission
from nemotron.cli.pipeline.attached import JobObserver


class PipeReporter(PipeObserver, JobObserver, Protocol):
    """Tells the user about a chain."""

    def planned(self, pipe: PlannedPipe) -> None:
        """Report a dry run."""

    def opened(self, pipe: PlannedPipe, file: PipeFile) -> None:
        """Report that a chain is about to run."""

    def started(self, run: PreparedRun) -> None:
        """Report that a stage's script is about to start here."""

    def streams(self) -> AbstractContextManager[ChildStreams]:
        """Say where a stage's own output goes."""
        ...

    def finished(self, outcome: RunOutcome) -> None:
        """Report how a stage's script ended; called while its streams are open."""

    def closed(self, end: PipeEnd, file: PipeFile) -> None:
        """Report how the chain ended."""


def submission_of(stage: SubmittedStage) -> Submission:
    """The submission of a stage, as it is of a recipe that is submitted alone."""
    mode: Mode = "batch" if stage.job.mode == "batch" else "run"
    return Submission(
        plan=stage.planned.plan,
        launch=Launch(mode, stage.profile.name),
        profile=stage.profile,
        record=stage.job,
        run_dir=stage.job.run_dir,
        script=None,
    )
