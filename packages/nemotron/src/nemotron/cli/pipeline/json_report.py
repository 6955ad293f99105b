"""Tell of a chain with one JSON document."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

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
from nemo_runspec.execution.pipeline.record import RECORD_FILE, StageRecord
from nemotron.cli.app import App
from nemotron.cli.errors import error_document
from nemotron.cli.job_end import JobEnd
from nemotron.cli.jobs.json_report import JsonJobReporter
from nemotron.cli.jobs.reporting import JobReporter
from nemotron.cli.pipeline.panels import (
    TRAIN_FILE,
    notes,
    resume_command,
)


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
        here = pipe.record.mode == "local"
        commands = {each.stage.name: each.plan.command(TRAIN_FILE) for each in pipe.stages if here}
        scripts = {} if here else scripts_of(pipe)
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
