"""Workloads of DGX Cloud (Run:ai)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.execution.jobs.engines.engine import (
    TIME_LIMIT_S,
    Output,
    refused,
    unanswered,
)
from nemo_runspec.execution.jobs.status import JobState, JobStatus
from nemo_runspec.exports import require

_STATES: Mapping[str, JobState] = {
    "Creating": "pending",
    "Initializing": "pending",
    "Pending": "pending",
    "Resuming": "pending",
    "Running": "running",
    "Updating": "running",
    "Degraded": "running",
    "Stopping": "running",
    "Deleting": "running",
    "Terminating": "running",
    "Stopped": "cancelled",
    "Failed": "failed",
    "Completed": "succeeded",
}
_NOT_FOUND = 404
_UNAUTHORIZED = (401, 403)


class DgxCloudJob:
    """A workload.

    NeMo-Run's own question takes every failure for a state, and its cancelling never reaches a
    workload, so both are asked of the interface itself.

    Args:
        url: The workload, as the interface has it.
        login: ``client_id`` and ``client_secret``.
    """

    broken: tuple[type[Exception], ...] = ()

    def __init__(self, url: str, login: Mapping[str, str]) -> None:
        self._url = url
        self._base = url.partition("/workloads/")[0]
        self._login = login
        self._http = require("requests", wanted="asking about a job")
        self._token: str | None = None

    def status(self) -> JobStatus:
        """Read its phase."""
        response = self._ask("GET")
        if response.status_code == _NOT_FOUND:
            return JobStatus("lost", reason="DGX Cloud does not have the workload any more.")
        content = self._content(response)
        word = content.get("actualPhase") or content.get("phase")
        state = _STATES.get(str(word), "unknown")
        message = content.get("phaseMessage") or content.get("statusMessage")
        said = None if not message else f"{str(message).partition(chr(10))[0].rstrip('.')}."
        if state == "failed":
            return JobStatus(state, reason=said or "DGX Cloud says so.", scheduler_state=word)
        return JobStatus(state, 0 if state == "succeeded" else None, said, word)

    def end(self) -> None:
        """Delete it."""
        response = self._ask("DELETE")
        if response.status_code != _NOT_FOUND:
            self._content(response)

    def printed(self) -> Mapping[str, Output]:
        """Nothing: its interface gives no output; the job writes it into files on its volume."""
        return {}

    def _ask(self, method: str) -> Any:
        response = self._send(method, self._url, headers=self._authorized())
        if response.status_code not in _UNAUTHORIZED:
            return response
        # A token lasts for a part of a long job.
        self._token = None
        return self._send(method, self._url, headers=self._authorized())

    def _authorized(self) -> dict[str, str]:
        if self._token is None:
            asked = {
                "grantType": "client_credentials",
                "clientId": self._login["client_id"],
                "clientSecret": self._login["client_secret"],
            }
            content = self._content(self._send("POST", f"{self._base}/token", json=asked))
            self._token = str(content["accessToken"])
        return {"Accept": "application/json", "Authorization": f"Bearer {self._token}"}

    def _send(self, method: str, url: str, **more: Any) -> Any:
        try:
            return self._http.request(method, url, timeout=TIME_LIMIT_S, **more)
        except self._http.RequestException as error:
            raise unanswered(f"DGX Cloud at {self._base}", error) from error

    def _content(self, response: Any) -> dict[str, Any]:
        if not response.ok:
            hint = "Check client_id and client_secret of the profile."
            raise refused(f"DGX Cloud at {self._base}", response.status_code, hint)
        try:
            content: dict[str, Any] = response.json() if response.content else {}
        except ValueError as error:
            raise unanswered(f"DGX Cloud at {self._base}", error) from error
        return content
