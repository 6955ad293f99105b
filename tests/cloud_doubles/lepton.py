"""Lepton's interface, made of its client's models."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from leptonai.api.v1.types.common import Metadata
from leptonai.api.v1.types.dedicated_node_group import (
    DedicatedNodeGroup,
    DedicatedNodeGroupSpec,
    DedicatedNodeGroupStatus,
)
from leptonai.api.v1.types.events import LeptonEvent
from leptonai.api.v1.types.job import LeptonJob, LeptonJobState, LeptonJobStatus
from leptonai.api.v1.types.replica import Replica
from pydantic import BaseModel

from cloud_doubles.containers import Container
from cloud_doubles.serving import Cloud, Reply, Request

TOKEN = "lepton-t0ken-of-the-workspace"  # noqa: S105 - of a stand-in


@dataclass
class Lepton(Cloud):
    """A workspace with one node group, whose storage is a folder of this machine."""

    tools: Path = Path()
    jobs: dict[str, LeptonJob] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    # What is told of a job, instead of what became of its process.
    said: dict[str, Any] | None = None

    @property
    def login(self) -> dict[str, str]:
        """The variables of somebody who is logged in."""
        return {
            "LEPTON_WORKSPACE_ID": "team",
            "LEPTON_WORKSPACE_TOKEN": TOKEN,
            "LEPTON_WORKSPACE_URL": self.url,
        }

    def answer(self, request: Request) -> Reply:
        if request.token != TOKEN:
            return Reply({"message": "no"}, 401)
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["dedicated-node-groups"]:
                return Reply([_json(_group())])
            case "GET", ["dedicated-node-groups", "g1", "nodes"]:
                return Reply([])
            case "POST", ["jobs"]:
                return self._create(LeptonJob(**request.body))
            case method, ["jobs", name, *rest] if name in self.jobs:
                return self._job(method, name, rest)
        return Reply({"message": "not found"}, 404)

    def _create(self, job: LeptonJob) -> Reply:
        name = str(job.metadata.id_)
        given = {item.name: item.value for item in job.spec.envs or [] if item.value is not None}
        command = list(job.spec.container.command or [])
        script = command[-1].removeprefix("bash ")
        volume = Path(script).parent if script.endswith("launch_script.sh") else None
        self.jobs[name] = job
        self.containers[name] = Container(command, given, self.tools, volume)
        if volume is None:
            self.containers[name].wait()
        return Reply(_json(self._seen(name)), 201)

    def run(self, name: str, command: list[str]) -> None:
        """Start a job that nobody asked for here."""
        self.jobs[name] = LeptonJob(metadata=Metadata(id=name))
        self.containers[name] = Container(command, {}, self.tools)

    def _job(self, method: str, name: str, rest: list[str]) -> Reply:
        match method, rest:
            case "GET", []:
                return Reply(_json(self._seen(name)))
            case "DELETE", []:
                self.containers.pop(name).end()
                del self.jobs[name]
                return Reply({})
            case "GET", ["replicas"]:
                one = f"{name}-0-abcde"
                return Reply([_json(Replica(metadata=Metadata(id=one), id=one))])
            case "GET", ["replicas", _, "log"]:
                return Reply(stream=self.containers[name].follow())
            case "GET", ["events"]:
                event: dict[str, Any] = {"type": "Warning", "reason": "BackoffLimitExceeded"}
                seen = "2026-11-21T10:00:00Z"
                return Reply([_json(LeptonEvent(**event, count=1, last_observed_time=seen))])
        return Reply({"message": "not found"}, 404)

    def _seen(self, name: str) -> LeptonJob:
        code = self.containers[name].exit_code
        state = LeptonJobState.Running
        if code is not None:
            state = LeptonJobState.Failed if code else LeptonJobState.Completed
        status = LeptonJobStatus(**(self.said or {"state": state, "ready": 1, "active": 1}))
        return self.jobs[name].model_copy(update={"status": status})

    def close(self) -> None:
        for container in self.containers.values():
            container.end()


def _group() -> DedicatedNodeGroup:
    named = Metadata(id="g1", name="h100")
    return DedicatedNodeGroup(
        metadata=named, spec=DedicatedNodeGroupSpec(), status=DedicatedNodeGroupStatus()
    )


def _json(model: BaseModel) -> Any:
    return model.model_dump(mode="json", exclude_none=True, by_alias=True)
