"""Jobs on engines that NeMo-Run starts them on, as far as NeMo-Run can tell of them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from nemo_runspec.atomic import write_atomically
from nemo_runspec.errors import ExecutionError, TransferError
from nemo_runspec.execution.jobs.output import read_local_files
from nemo_runspec.execution.jobs.reasons import described_exit
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.jobs.status import JobState, JobStatus, OutputChunk, OutputPosition
from nemo_runspec.execution.nemo_run.ask import WORD
from nemo_runspec.execution.nemo_run.child import ASK, run_with_nemo_run
from nemo_runspec.run_result import RunResult, read_result

# NeMo-Run's own folder, in the run directory: a container of this machine sees a part of it.
HOME = "nemo_run"

_TIME_LIMIT_S = 120.0
_STATES: Mapping[str, JobState] = {
    "UNSUBMITTED": "pending",
    "SUBMITTED": "pending",
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}
_LIVING: tuple[JobState, ...] = ("pending", "running")
_CANCELLED_FILE = "cancelled"


class EngineBackend:
    """Jobs of Docker, clouds and Kubernetes; clouds keep what they print in their own consoles."""

    def status(self, record: JobRecord) -> JobStatus:
        """Ask NeMo-Run, which asks the engine."""
        word = _ask(record, end=False)
        state = _STATES.get(word or "")
        if state in _LIVING:
            return JobStatus(state, scheduler_state=word)
        code = _exit_code(record)
        # NeMo-Run leaves 1 for a container that it ended.
        if state != "succeeded" and code != 0 and (record.run_dir / _CANCELLED_FILE).exists():
            return JobStatus("cancelled", reason="It was cancelled.", scheduler_state=word)
        if code is not None:
            return described_exit(code, word)
        return _status(record, word)

    def read_output(self, record: JobRecord, position: OutputPosition) -> OutputChunk:
        """Read what the job printed into files that this machine sees, if it did."""
        return read_local_files(record.log_pattern, position)

    def cancel(self, record: JobRecord) -> None:
        """Ask the engine for the job's end; some do not know the job any more then."""
        _ask(record, end=True)
        write_atomically(record.run_dir / _CANCELLED_FILE, b"")

    def result(self, record: JobRecord) -> RunResult:
        """Read what the job left in its run directory, where this machine sees it."""
        return read_result(record.job_dir)

    def copy_folder(self, record: JobRecord, name: str, destination: Path) -> None:
        """Nothing is copied: W&B's records are where the job is."""


def _ask(record: JobRecord, *, end: bool) -> str | None:
    question = {"handle": record.scheduler_id, "end": end}
    with tempfile.TemporaryDirectory(prefix="nemotron-ask-") as folder:
        file = Path(folder) / "question.json"
        file.write_text(json.dumps(question), encoding="utf-8")
        try:
            done = run_with_nemo_run(ASK, file, record.run_dir / HOME, timeout_s=_TIME_LIMIT_S)
        except ExecutionError as error:
            # The engine may answer the next time; the job does not mind.
            raise TransferError(error.what, where=record.executor, hint=error.hint) from error
    answers = [line for line in done.stdout.splitlines() if line.startswith(WORD)]
    if not answers:
        raise TransferError(f"NeMo-Run says nothing about the job on {record.executor}.")
    state: str | None = json.loads(answers[-1].removeprefix(WORD))
    return state


def _exit_code(record: JobRecord) -> int | None:
    """What a container of this machine left behind, through NeMo-Run's own shell line."""
    for file in sorted(Path(record.job_dir).glob("status_*.out")):
        with suppress(OSError, ValueError, KeyError, TypeError):
            return int(json.loads(file.read_bytes())["exit_code"])
    return None


def _status(record: JobRecord, word: str | None) -> JobStatus:
    state = _STATES.get(word or "")
    if state is None:
        return JobStatus(
            "lost",
            reason=f"NeMo-Run does not know the job any more; look at the console of "
            f"{record.executor} for {record.scheduler_id}.",
            scheduler_state=word,
        )
    reason = f"{record.executor} says so." if state in {"failed", "cancelled"} else None
    return JobStatus(state, reason=reason, scheduler_state=word)
