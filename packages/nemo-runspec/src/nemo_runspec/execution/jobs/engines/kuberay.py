"""Ray jobs of KubeRay."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from nemo_runspec.execution.jobs.engines.cluster import GONE, ClusterJob, waits_for
from nemo_runspec.execution.jobs.engines.engine import Output
from nemo_runspec.execution.jobs.reasons import SIGNAL_BASE, described_exit
from nemo_runspec.execution.jobs.status import JobState, JobStatus

_STATES: Mapping[str, JobState] = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "STOPPED": "cancelled",
}
# The operator's words for what it does with the job, where they decide.
_GIVEN_UP = ("Failed", "ValidationFailed")
_AGAIN = ("Retrying", "Suspending", "Suspended", "Waiting")
_EXIT_CODE = re.compile(r"exit code (-?\d+)")


class KubeRayJob(ClusterJob):
    """A ``RayJob``; its cluster goes with it."""

    kind: ClassVar = {"group": "ray.io", "version": "v1", "plural": "rayjobs"}

    def status(self) -> JobStatus:
        """Read what KubeRay's operator wrote down."""
        found = self.find()
        if found is None:
            return GONE
        said = found.get("status") or {}
        status = ray_job_status(said)
        if status.state != "pending":
            return status
        cluster = said.get("rayClusterName")
        pods = self.pods(f"ray.io/cluster={cluster}") if cluster else []
        return JobStatus("pending", None, waits_for(pods), status.scheduler_state)

    def printed(self) -> Mapping[str, Output]:
        """Name the pod that submitted the driver: it prints what the driver prints."""
        return self.cluster.outputs(self.pods(f"job-name={self.name}"))


def ray_job_status(said: Mapping[str, Any]) -> JobStatus:
    """Tell where a Ray job stands.

    Args:
        said: The status that KubeRay's operator wrote down.
    """
    word, doing = str(said.get("jobStatus") or "PENDING"), said.get("jobDeploymentStatus")
    if doing in _AGAIN:
        return JobStatus("pending", scheduler_state=str(doing))
    state = "failed" if doing in _GIVEN_UP else _STATES.get(word, "unknown")
    if state == "succeeded":
        return JobStatus(state, 0, scheduler_state=word)
    if state != "failed":
        return JobStatus(state, scheduler_state=word)
    message = str(said.get("message") or "")
    code = _EXIT_CODE.search(message)
    if code is not None:
        number = int(code.group(1))
        return described_exit(number if number >= 0 else SIGNAL_BASE - number, word)
    reason = ": ".join(filter(None, (said.get("reason"), message.partition("\n")[0].rstrip("."))))
    return JobStatus("failed", None, f"{reason or 'KubeRay says so'}.", word or str(doing))
