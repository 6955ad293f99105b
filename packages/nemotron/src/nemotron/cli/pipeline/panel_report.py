"""Tell of a chain with panels, and its stages' own output between them."""

from __future__ import annotations

import shlex
from contextlib import AbstractContextManager

from nemo_runspec.execution import ChildStreams, PreparedRun, RunOutcome
from nemo_runspec.execution.pipeline import (
    PipeEnd,
    PipeFile,
    PipeRecord,
    PlannedPipe,
    SubmittedStage,
    scripts_of,
)
from nemo_runspec.execution.pipeline.record import StageRecord
from nemotron.cli.app import App
from nemotron.cli.errors import error_screen
from nemotron.cli.job_end import JobEnd
from nemotron.cli.jobs.panel_report import PanelJobReporter
from nemotron.cli.jobs.reporting import JobReporter
from nemotron.cli.panels import screen_of
from nemotron.cli.pipeline.panels import (
    TRAIN_FILE,
    chain_tree,
    end_panel,
    notes,
    stage_heading,
)
from nemotron.cli.pipeline.reporting import submission_of
from nemotron.cli.run_reports import PanelReporter


class PanelPipeReporter:
    """Shows panels on a terminal, with the stages' own output between them."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stage = PanelReporter(app)

    def planned(self, pipe: PlannedPipe) -> None:
        """Show the chain, what each stage reads and writes, and the commands or the scripts."""
        self._chain(pipe)
        if pipe.record.mode == "local":
            self._commands(pipe)
            return
        with self._app.waiting("Rendering what would be submitted"):
            scripts = scripts_of(pipe)
        for name, script in scripts.items():
            self._app.write(f"\n# Script of {name}\n{script.rstrip()}\n")

    def opened(self, pipe: PlannedPipe, file: PipeFile) -> None:  # noqa: ARG002 - told at the end
        """Show the chain."""
        self._chain(pipe)

    def begins(self, record: PipeRecord, stage: StageRecord) -> None:
        """Show which stage of how many begins."""
        heading = self._app.screen.style(stage_heading(record, stage), "1;33")
        self._app.write(f"\n{heading}\n")

    def skipped(self, record: PipeRecord, stage: StageRecord) -> None:
        """Say that a stage has run before."""
        made = f": {stage.artifact}" if stage.artifact else ""
        self._app.write(f"\n{stage_heading(record, stage)} has run before{made}\n")

    def ended(self, record: PipeRecord, stage: StageRecord) -> None:
        """Say what the panel of the stage could not."""

    def started(self, run: PreparedRun) -> None:
        """Show the stage's submission."""
        self._stage.started(run)

    def streams(self) -> AbstractContextManager[ChildStreams]:
        """Let the stage's output through."""
        return self._stage.streams()

    def finished(self, outcome: RunOutcome) -> None:
        """Show the stage's completion, or its failure."""
        self._stage.finished(outcome)

    def submitted(self, stage: SubmittedStage) -> None:
        """Show the submission of a stage's job."""
        PanelJobReporter(self._app).submitted(submission_of(stage))

    def job_reporter(self) -> JobReporter:
        """Show what a job prints, and its last panel."""
        return PanelJobReporter(self._app)

    def job_ended(self, end: JobEnd) -> None:
        """Show nothing more."""

    def closed(self, end: PipeEnd, file: PipeFile) -> None:
        """Show what every stage made, or which failed and how to go on."""
        if end.error is not None:
            self._app.err.write(error_screen(end.error, screen_of(self._app.err)))
            self._app.err.flush()
        self._app.write("\n")
        self._app.panel(end_panel(end, file))

    def _commands(self, pipe: PlannedPipe) -> None:
        self._app.write("\n# Commands\n")
        for each in pipe.stages:
            command = shlex.join(each.plan.command(TRAIN_FILE))
            self._app.write(f"{each.stage.name}: {command}\n")

    def _chain(self, pipe: PlannedPipe) -> None:
        title = f"Chain of {pipe.chain.family}"
        self._app.tree(title, chain_tree(pipe))
        for note in notes(pipe):
            self._app.say(note)
