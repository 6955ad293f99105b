"""DGX Cloud's interface (Run:ai)."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nemo_run.core.execution.dgxcloud import DGXCloudState

from cloud_doubles.containers import Container
from cloud_doubles.serving import Cloud, Reply, Request

API = "/api/v1"
CLIENT = {"clientId": "nemotron", "clientSecret": "dgx-s3cret-of-the-application"}
TOKEN = "token-of-the-application"  # noqa: S105 - of a stand-in


@dataclass
class DgxCloud(Cloud):
    """One project, whose volume is a folder of this machine."""

    tools: Path = Path()
    workloads: dict[str, Container] = field(default_factory=dict)
    # What is told of a workload, instead of what became of its process.
    phase: DGXCloudState | None = None
    token: str = TOKEN

    def answer(self, request: Request) -> Reply:
        path = request.path.removeprefix(API)
        if (request.method, path) == ("POST", "/token"):
            known = request.body == {**CLIENT, "grantType": "client_credentials"}
            return Reply({"accessToken": self.token}) if known else Reply({"message": "no"}, 401)
        if request.token != self.token:
            return Reply({"message": "no"}, 401)
        if path == "/org-unit/projects":
            return Reply({"projects": [{"name": "llm", "id": "p1", "clusterId": "c1"}]})
        _, _, kind, *rest = path.split("/")
        return self._workload(request, kind, *rest)

    def _workload(self, request: Request, kind: str, name: str = "", *more: str) -> Reply:
        if request.method == "POST" and not name:
            return self._create(kind, request.body["spec"])
        if more or name not in {*self.workloads, "mover"}:
            return Reply({"message": "no such route or workload"}, 404)
        if request.method == "DELETE":
            if name != "mover":
                self.workloads.pop(name).end()
            return Reply({}, 202)
        phase = self.phase or self._phase(name)
        return Reply({"workloadId": name, "actualPhase": phase.value})

    def _create(self, kind: str, spec: dict[str, Any]) -> Reply:
        if kind == "workspaces":
            # What its container is given is one word for the shell.
            subprocess.run(["sh", "-c", spec["args"].strip("'")], check=True)
            return Reply({"workloadId": "mover", "actualPhase": "Pending"}, 202)
        name = f"{kind}-{len(self.workloads)}"
        given = {item["name"]: item["value"] for item in spec["environmentVariables"]}
        command = shlex.split(spec["command"])
        volume = Path(command[-1]).parent
        self.workloads[name] = Container(
            command, {"HOSTNAME": "worker-0", **given}, self.tools, volume
        )
        return Reply({"workloadId": name, "actualPhase": "Pending"}, 202)

    def run(self, name: str, command: list[str]) -> None:
        """Start a workload that nobody asked for here."""
        self.workloads[name] = Container(command, {}, self.tools)

    def _phase(self, name: str) -> DGXCloudState:
        if name == "mover":
            return DGXCloudState.COMPLETED
        code = self.workloads[name].exit_code
        if code is None:
            return DGXCloudState.RUNNING
        return DGXCloudState.FAILED if code else DGXCloudState.COMPLETED

    def close(self) -> None:
        for container in self.workloads.values():
            container.end()
