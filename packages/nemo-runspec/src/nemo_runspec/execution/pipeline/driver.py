"""Run the stages of a chain one after another, and write down where each stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from nemo_runspec.errors import NemotronError
from nemo_runspec.execution.ending import was_interrupted
from nemo_runspec.execution.pipeline.handover import handed_on, nothing_made
from nemo_runspec.execution.pipeline.model import Stage
from nemo_runspec.execution.pipeline.planning import PlannedPipe, PlannedStage, plan_stage
from nemo_runspec.execution.pipeline.record import LIVE, PipeFile, PipeRecord, StageRecord, utc_now

# Somebody stopped waiting.
_LEFT = 130
_NOTHING_YET = dict.fromkeys(
    ("run_dir", "job", "exit_code", "reason", "artifact", "finished_at"), None
)


@dataclass(frozen=True, slots=True)
class StageEnd:
    """How one attempt of a stage ended.

    Attributes:
        exit_code: 0 where it succeeded.
        refs: The versions that it recorded.
        reason: Why it ended so, in one sentence; None where there is nothing to say.
        cancelled: Whether it was cancelled rather than failed.
        detached: Whether its job goes on, and nobody waits for it any more.
        elsewhere: Whether it ran where this machine's files are not.
    """

    exit_code: int
    refs: tuple[str, ...] = ()
    reason: str | None = None
    cancelled: bool = False
    detached: bool = False
    elsewhere: bool = False


class StageRunner(Protocol):
    """Runs one stage, and waits for its end."""

    def run(self, planned: PlannedStage, note: Callable[[Path, str | None], None]) -> StageEnd:
        """Run a stage.

        Args:
            planned: The stage, with all that it reads looked up.
            note: Called with the run directory, and the job's id where it was submitted, right
                before the stage can be known by them.
        """
        ...

    def rejoin(self, record: StageRecord) -> StageEnd:
        """Wait for the end of a stage whose job was submitted before."""
        ...


class PipeObserver(Protocol):
    """Is told what happens to a chain."""

    def begins(self, record: PipeRecord, stage: StageRecord) -> None:
        """A stage is about to run."""

    def skipped(self, record: PipeRecord, stage: StageRecord) -> None:
        """A stage has run before, and what it made is there."""

    def ended(self, record: PipeRecord, stage: StageRecord) -> None:
        """A stage has ended."""


@dataclass(frozen=True, slots=True)
class PipeEnd:
    """How a chain ended.

    Attributes:
        record: Where each stage stands.
        exit_code: 0 where all succeeded, else the code of the stage that did not.
        error: What kept a stage from running; None where its own process ended it.
    """

    record: PipeRecord
    exit_code: int
    error: NemotronError | None = None


def run_pipe(
    pipe: PlannedPipe, file: PipeFile, *, runner: StageRunner, observer: PipeObserver
) -> PipeEnd:
    """Run the stages that have not run yet, until one fails.

    Args:
        pipe: The chain.
        file: Its record, which is kept up to date.
        runner: Runs one stage.
        observer: Is told what happens.

    Raises:
        ExecutionError: The record cannot be written.
    """
    driver = _Driver(pipe, file, runner, observer)
    made: list[str] = []
    for stage in pipe.chain.stages:
        before = file.record.stage(stage.name)
        if before.state == "succeeded":
            observer.skipped(file.record, before)
            made.append(stage.name)
            continue
        error = driver.run(stage, made)
        after = file.record.stage(stage.name)
        observer.ended(file.record, after)
        if after.state != "succeeded":
            left = after.state in LIVE
            return PipeEnd(file.record, _LEFT if left else after.exit_code or 1, error)
        made.append(stage.name)
    return PipeEnd(file.record, 0)


@dataclass(frozen=True, slots=True)
class _Driver:
    pipe: PlannedPipe
    file: PipeFile
    runner: StageRunner
    observer: PipeObserver

    def run(self, stage: Stage, made: Sequence[str]) -> NemotronError | None:
        """Run one stage, and write down how it ended; give what kept it from running."""
        name, file = stage.name, self.file
        before = file.record.stage(name)
        try:
            if before.state in LIVE and before.job is not None:
                self.observer.begins(file.record, before)
                end = self.runner.rejoin(before)
            else:
                end = self._start(stage, made)
            self._write_down(stage, end)
        except NemotronError as error:
            ended = {"exit_code": error.exit_code, "finished_at": utc_now()}
            file.update(name, state="failed", reason=error.what, **ended)
            return error
        except KeyboardInterrupt:
            # A job that was, or may have been, submitted goes on: who resumes finds it.
            if file.record.stage(name).run_dir is None:
                file.update(name, state="cancelled", reason="Interrupted.", finished_at=utc_now())
            raise
        return None

    def _start(self, stage: Stage, made: Sequence[str]) -> StageEnd:
        name, file = stage.name, self.file
        begun = file.update(name, state="running", started_at=utc_now(), **_NOTHING_YET)
        self.observer.begins(file.record, begun)
        planned = plan_stage(
            stage, self.pipe.request, pipe_id=file.record.id, earlier=file.record, made=made
        )
        file.update(name, inputs=planned.record.inputs)
        return self.runner.run(planned, partial(self._note, name))

    def _note(self, name: str, run_dir: Path, job: str | None) -> None:
        self.file.update(name, run_dir=str(run_dir), job=job)

    def _write_down(self, stage: Stage, end: StageEnd) -> None:
        if end.detached:
            return
        ended = {"exit_code": end.exit_code, "finished_at": utc_now()}
        if end.exit_code != 0:
            cancelled = end.cancelled or was_interrupted(end.exit_code)
            state = "cancelled" if cancelled else "failed"
            self.file.update(stage.name, state=state, reason=end.reason, **ended)
            return
        artifact = handed_on(stage, self.file.record.alias, end.refs, elsewhere=end.elsewhere)
        is_read = any(stage.name in other.sources for other in self.pipe.chain.stages)
        if artifact is None and is_read:
            reason = nothing_made(stage, end.refs)
            ended["exit_code"] = 1
            self.file.update(stage.name, state="failed", reason=reason, **ended)
            return
        self.file.update(stage.name, state="succeeded", artifact=artifact, **ended)
