"""Jobs of Lepton."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from nemo_runspec.errors import TransferError
from nemo_runspec.execution.jobs.engines.engine import (
    SILENCE_LIMIT_S,
    TIME_LIMIT_S,
    Output,
    refused,
    unanswered,
)
from nemo_runspec.execution.jobs.status import JobState, JobStatus
from nemo_runspec.exports import require

_WANTED = "asking about a job"
_STATES: Mapping[str, JobState] = {
    "Starting": "pending",
    "Queueing": "pending",
    "Awaiting": "pending",
    "PendingRetry": "pending",
    "Restarting": "pending",
    "Running": "running",
    "Completed": "succeeded",
    "Failed": "failed",
    "Stopping": "running",
    "Stopped": "cancelled",
    "Deleting": "running",
    "Deleted": "cancelled",
}
_NOT_FOUND = 404


class LeptonJob:
    """A job of the workspace that this machine is logged in to.

    Args:
        name: What Lepton calls it.

    Raises:
        TransferError: There is no login.
    """

    def __init__(self, name: str) -> None:
        clients = require("leptonai.api.v2.client", wanted=_WANTED)
        resources = require("leptonai.api.v1.api_resource", wanted=_WANTED)
        http = require("requests", wanted=_WANTED)
        self._refused = (resources.ClientError, resources.ServerError)
        self.broken: tuple[type[Exception], ...] = (
            *(http.RequestException, http.exceptions.ConnectionError, RuntimeError),
        )
        self._name = name
        try:
            self._client = clients.APIClient()
        except clients.WorkspaceConfigurationError as error:
            raise TransferError(
                "There is no login of Lepton's client.", hint="Log in with: lep login"
            ) from error
        self._client._timeout = TIME_LIMIT_S  # noqa: SLF001 - there is no other way to bound it

    def status(self) -> JobStatus:
        """Read its state, and the warnings that Lepton has of one that failed."""
        job = self._ask(self._client.job.get, self._name)
        if job is None:
            return JobStatus("lost", reason="Lepton does not have the job any more.")
        if job.status is None or job.status.state is None:
            return JobStatus("pending")
        word = str(job.status.state.value)
        if word == "Archived":
            return _archived(job.status)
        state = _STATES.get(word, "unknown")
        if state == "running" and job.status.ready < job.status.active:
            said = f"{job.status.ready} of {job.status.active} workers are ready."
            return JobStatus("pending", reason=said, scheduler_state=word)
        if state == "failed":
            return JobStatus(state, reason=self._why(), scheduler_state=word)
        return JobStatus(state, 0 if state == "succeeded" else None, scheduler_state=word)

    def end(self) -> None:
        """Delete it."""
        self._ask(self._client.job.delete, self._name)

    def printed(self) -> Mapping[str, Output]:
        """Name its replicas."""
        replicas = self._ask(self._client.job.get_replicas, self._name) or []
        names = sorted(str(item.metadata.id_) for item in replicas)
        goes_on = bool(names) and self.status().state == "running"
        return {name: Output(partial(self._open, name), goes_on) for name in names}

    def _open(self, replica: str) -> Iterator[bytes]:
        for text in self._client.job.get_log(self._name, replica, SILENCE_LIMIT_S):
            yield text.encode()

    def _why(self) -> str:
        events = self._ask(self._client.job.get_events, self._name) or []
        warnings = [item.reason for item in events if item.type_ == "Warning"]
        return f"Lepton says so: {warnings[-1]}." if warnings else "Lepton says so."

    def _ask(self, call: Callable[..., Any], *words: Any) -> Any:
        try:
            return call(*words)
        except self._refused as error:
            code = error.response.status_code
            if code == _NOT_FOUND:
                return None
            raise refused("Lepton", code, "Log in again with: lep login") from error
        except self.broken as error:
            raise unanswered("Lepton", error) from error


def _archived(status: Any) -> JobStatus:
    """How a job ended whose state is gone, by what became of its workers."""
    if status.failed:
        return JobStatus("failed", reason="Lepton says so.", scheduler_state="Archived")
    if status.succeeded:
        return JobStatus("succeeded", 0, scheduler_state="Archived")
    return JobStatus("lost", reason="Lepton archived it, and not how it ended.")
