"""The three ways to report on a chain: panels, one JSON document, or next to nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Protocol

from nemo_runspec.execution import ChildStreams, PreparedRun, RunOutcome
from nemo_runspec.execution.jobs import JobRecord
from nemo_runspec.execution.pipeline import (
    PipeEnd,
    PipeFile,
    PipeRecord,
    PlannedPipe,
    SubmittedStage,
    scripts_of,
)
from nemo_runspec.execution.pipeline.driver import PipeObserver
from nemo_runspec.execution.pipeline.record import RECORD_FILE, StageRecord
from nemotron.cli.app import App, OutputMode
from nemotron.cli.errors import error_document, error_screen
from nemotron.cli.job_end import JobEnd
from nemotron.cli.jobs.launch import Launch, Mode
from nemotron.cli.jobs.reports import (
    JobReporter,
    JsonJobReporter,
    PanelJobReporter,
    QuietJobReporter,
    Submission,
)
from nemotron.cli.panels import screen_of
from nemotron.cli.pipeline.attached import JobObserver
from nemotron.cli.pipeline.panels import (
    chain_tree,
    end_panel,
    notes,
    resume_command,
    stage_heading,
)
from nemotron.cli.run_reports import PanelReporter, QuietReporter

_TRAIN_FILE = Path("RUN_DIR", "train.yaml")


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


def reporter_for(app: App, mode: OutputMode) -> PipeReporter:
    """Choose the reporter that ``--json`` and ``--quiet`` ask for."""
    if mode == "json":
        return JsonPipeReporter(app)
    return QuietPipeReporter(app) if mode == "quiet" else PanelPipeReporter(app)


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


class PanelPipeReporter:
    """Shows panels on a terminal, with the stages' own output between them."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._stage = PanelReporter(app)

    def planned(self, pipe: PlannedPipe) -> None:
        """Show the chain, what each stage reads and writes, and the commands."""
        self._chain(pipe)
        self._app.write("\n# Commands\n")
        for each in pipe.stages:
            command = shlex.join(each.plan.command(_TRAIN_FILE))
            self._app.write(f"{each.stage.name}: {command}\n")
        for name, script in self._scripts(pipe).items():
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

    def _scripts(self, pipe: PlannedPipe) -> dict[str, str]:
        if pipe.record.mode == "local":
            return {}
        with self._app.waiting("Rendering what would be submitted"):
            return scripts_of(pipe)

    def _chain(self, pipe: PlannedPipe) -> None:
        title = f"Chain of {pipe.chain.family}"
        self._app.tree(title, chain_tree(pipe))
        for note in notes(pipe):
            self._app.say(note)


class JsonPipeReporter:
    """Prints one JSON document on standard output; the stages' own output goes to the other."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._artifacts: dict[str, Any] = {}
        self._jobs: dict[str, Any] = {}
        self._current = ""
        self._left_out: list[dict[str, str]] = []

    def planned(self, pipe: PlannedPipe) -> None:
        """Print the plan."""
        record = pipe.record.as_dict()
        commands = {each.stage.name: each.plan.command(_TRAIN_FILE) for each in pipe.stages}
        scripts = {} if pipe.record.mode == "local" else scripts_of(pipe)
        for stage in record["stages"]:
            stage["command"] = commands.get(stage["name"])
            stage["script"] = scripts.get(stage["name"])
        self._keep(pipe)
        self._app.document(
            {"status": "planned", **record, "left_out": self._left_out, "notes": notes(pipe)}
        )

    def opened(self, pipe: PlannedPipe, file: PipeFile) -> None:  # noqa: ARG002 - one document
        """Keep what the document says of the chain."""
        self._keep(pipe)

    def begins(self, record: PipeRecord, stage: StageRecord) -> None:  # noqa: ARG002 - one document
        """Note whose artifacts follow."""
        self._current = stage.name

    def skipped(self, record: PipeRecord, stage: StageRecord) -> None:
        """Print nothing."""

    def ended(self, record: PipeRecord, stage: StageRecord) -> None:
        """Print nothing."""

    def started(self, run: PreparedRun) -> None:
        """Print nothing."""

    def streams(self) -> AbstractContextManager[ChildStreams]:
        """Keep standard output for the document."""
        return nullcontext(ChildStreams(stdout=self._app.err))

    def finished(self, outcome: RunOutcome) -> None:
        """Keep what the stage recorded."""
        self._artifacts[self._current] = outcome.result.artifacts

    def submitted(self, stage: SubmittedStage) -> None:
        """Keep what is known of a stage's job."""
        self._jobs[stage.planned.stage.name] = stage.job.as_dict()

    def job_reporter(self) -> JobReporter:
        """Keep standard output for the document."""
        return _JobInDocument(self._app)

    def job_ended(self, end: JobEnd) -> None:
        """Keep what the stage recorded."""
        self._artifacts[self._current] = end.result.artifacts

    def closed(self, end: PipeEnd, file: PipeFile) -> None:
        """Print where every stage stands."""
        record = end.record.as_dict()
        for stage in record["stages"]:
            stage["artifacts"] = self._artifacts.get(stage["name"], [])
            stage["submission"] = self._jobs.get(stage["name"])
        state = "completed" if end.record.state == "succeeded" else end.record.state
        document = {
            "status": state,
            "exit_code": end.exit_code,
            "alias": end.record.alias,
            "record": str(file.folder / RECORD_FILE),
            "resume": None if state == "completed" else resume_command(end.record),
            **record,
            "left_out": self._left_out,
        }
        if end.error is not None:
            document["error"] = error_document(end.error)
        self._app.document(document)

    def _keep(self, pipe: PlannedPipe) -> None:
        self._left_out = [{"stage": e.name, "reason": e.reason} for e in pipe.chain.left_out]


class _JobInDocument(JsonJobReporter):
    """Tells of a job what goes beside the document, and leaves the rest to it."""

    def detached(self, record: JobRecord) -> None:
        """Print nothing: the document says it."""

    def ended(self, end: JobEnd) -> None:
        """Print nothing: the document says it."""


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
