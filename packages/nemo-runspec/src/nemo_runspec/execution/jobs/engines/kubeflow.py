"""Jobs of Kubeflow's trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from nemo_runspec.execution.jobs.engines.cluster import GONE, ClusterJob, exit_of, waits_for
from nemo_runspec.execution.jobs.engines.engine import Output
from nemo_runspec.execution.jobs.status import JobState, JobStatus

_CONTAINER = "node"


class KubeflowJob(ClusterJob):
    """A ``TrainJob``."""

    kind: ClassVar = {"group": "trainer.kubeflow.org", "version": "v1alpha1", "plural": "trainjobs"}

    def status(self) -> JobStatus:
        """Read the conditions that the trainer wrote, and the pods where they say why."""
        found = self.find()
        if found is None:
            return GONE
        status = found.get("status") or {}
        said = {item["type"]: item for item in status.get("conditions", ()) if _true(item)}
        counts = status.get("jobsStatus", ())
        if "Complete" in said or _all_succeeded(counts):
            return JobStatus("succeeded", 0, scheduler_state="Complete")
        if "Failed" in said or any(item.get("failed", 0) for item in counts):
            code, reason = exit_of(self._pods(), _CONTAINER)
            return JobStatus("failed", code, reason or _message(said), "Failed")
        if any(item.get("active", 0) or item.get("ready", 0) for item in counts):
            waiting = waits_for(self._pods())
            state: JobState = "running" if waiting is None else "pending"
            return JobStatus(state, reason=waiting, scheduler_state="Running")
        word = "Suspended" if "Suspended" in said else "Created"
        return JobStatus("pending", reason=waits_for(self._pods()), scheduler_state=word)

    def printed(self) -> Mapping[str, Output]:
        """Name the pods of its machines."""
        return self.cluster.outputs(self._pods(), _CONTAINER)

    def _pods(self) -> list[Any]:
        selector = f"jobset.sigs.k8s.io/jobset-name={self.name}"
        return self.pods(selector)


def _true(condition: Mapping[str, Any]) -> bool:
    return condition.get("status") == "True"


def _all_succeeded(counts: Any) -> bool:
    return bool(counts) and all(
        item.get("succeeded", 0) > 0 and not item.get("active", 0) for item in counts
    )


def _message(said: Mapping[str, Any]) -> str:
    message = said.get("Failed", {}).get("message") or "Kubeflow says so"
    return f"{str(message).partition(chr(10))[0].rstrip('.')}."
