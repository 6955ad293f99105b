"""Jobs that NeMo-Run alone knows: containers of this machine, and SkyPilot's."""

from __future__ import annotations

from collections.abc import Mapping

from nemo_runspec.execution.jobs.engines.engine import Output
from nemo_runspec.execution.jobs.status import JobState, JobStatus
from nemo_runspec.execution.nemo_run.schedulers import open_runner

_STATES: Mapping[str, JobState] = {
    "UNSUBMITTED": "pending",
    "SUBMITTED": "pending",
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "CANCELLED": "cancelled",
}


class TorchxJob:
    """A job as NeMo-Run's schedulers know it.

    Args:
        handle: What NeMo-Run calls it.
    """

    broken: tuple[type[Exception], ...] = ()

    def __init__(self, handle: str) -> None:
        self._runner = open_runner()
        self._handle = handle

    def status(self) -> JobStatus:
        """Ask NeMo-Run, which asks the engine."""
        found = self._runner.status(self._handle)
        word = None if found is None else str(found.state.name)
        state = _STATES.get(word or "", "lost")
        return JobStatus(state, 0 if state == "succeeded" else None, scheduler_state=word)

    def end(self) -> None:
        """Let NeMo-Run end it."""
        self._runner.cancel(self._handle)

    def printed(self) -> Mapping[str, Output]:
        """Nothing that NeMo-Run could read; containers of this machine print into files."""
        return {}
