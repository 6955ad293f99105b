"""A Kubernetes cluster with the operators of Kubeflow and KubeRay, made of the client's models."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kubernetes import client

from cloud_doubles.containers import Container
from cloud_doubles.serving import Cloud, Reply, Request

TRAIN_JOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/team/trainjobs"
RAY_JOBS = "/apis/ray.io/v1/namespaces/team/rayjobs"
PODS = "/api/v1/namespaces/team/pods"
_REFERENCE = re.compile(r"\$\$|\$\(([A-Za-z_][A-Za-z0-9_]*)\)")


@dataclass
class Cluster(Cloud):
    """A namespace, whose volumes are folders of this machine."""

    tools: Path = Path()
    movers: dict[str, client.V1Pod] = field(default_factory=dict)
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    # What is told of a custom object, instead of what became of its process.
    said: dict[str, Any] | None = None
    waiting: str | None = None

    def kubeconfig(self, file: Path) -> Path:
        """Write the login of this cluster."""
        file.write_text(json.dumps(_kubeconfig(self.url)))
        return file

    def answer(self, request: Request) -> Reply:
        for place in (TRAIN_JOBS, RAY_JOBS):
            if request.path == place and request.method == "POST":
                return self._start(request.body)
            if request.path.startswith(f"{place}/"):
                return self._object(request.method, request.path.rpartition("/")[2])
        if request.path.startswith(PODS):
            return self._pods(request, *request.path.removeprefix(PODS).strip("/").split("/"))
        return _not_found()

    def _start(self, body: dict[str, Any]) -> Reply:
        name, spec = body["metadata"]["name"], body["spec"]
        if body["kind"] == "TrainJob":
            command, listed = spec["trainer"]["command"], spec["trainer"]["env"]
        else:
            head = spec["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"][0]
            command, listed = shlex.split(spec["entrypoint"]), head["env"]
        self.run(name, command, expanded(listed), kind=body["kind"])
        return Reply(body, 201)

    def run(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str] | None = None,
        *,
        kind: str = "TrainJob",
    ) -> None:
        """Start a job."""
        self.objects[name] = {"kind": kind}
        self.containers[name] = Container(command, environment or {}, self.tools)

    def _object(self, method: str, name: str) -> Reply:
        if name not in self.objects:
            return _not_found()
        if method == "DELETE":
            self.containers.pop(name).end()
            return Reply(self.objects.pop(name))
        return Reply({**self.objects[name], "status": self._status(name)})

    def _status(self, name: str) -> dict[str, Any]:
        if self.said is not None:
            return self.said
        code = self.containers[name].exit_code
        if self.objects[name]["kind"] == "TrainJob":
            counts = {"active": int(code is None), "succeeded": int(code == 0)}
            return {"jobsStatus": [{"name": "node", **counts, "failed": int(bool(code))}]}
        if code is None:
            return {"jobStatus": "RUNNING", "jobDeploymentStatus": "Running"}
        if not code:
            return {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"}
        message = f"Job entrypoint command failed with exit code {code}, last available logs"
        return {"jobStatus": "FAILED", "jobDeploymentStatus": "Failed", "message": message}

    def _pods(self, request: Request, name: str = "", more: str = "") -> Reply:
        if request.method == "POST":
            self.movers[request.body["metadata"]["name"]] = _pod(
                request.body["metadata"]["name"], client.V1PodStatus(phase="Running")
            )
            return Reply(request.body, 201)
        if "watch" in request.query:
            return Reply(stream=self._watched(request.query["fieldSelector"].partition("=")[2]))
        if more == "log":
            return Reply(stream=self.containers[name.removesuffix("-pod")].follow())
        if name:
            known = self.movers.pop(name, None) if request.method == "DELETE" else None
            return _not_found() if known is None else Reply(_json(known))
        owner = request.query["labelSelector"].partition("=")[2]
        pods = [self._pod_of(owner)] if owner in self.containers else []
        listed = client.V1PodList(items=pods, metadata=client.V1ListMeta())
        return Reply({"kind": "PodList", "apiVersion": "v1", **_json(listed)})

    def _watched(self, name: str) -> Iterator[bytes]:
        event = {"type": "ADDED", "object": {"kind": "Pod", **_json(self.movers[name])}}
        yield json.dumps(event).encode() + b"\n"

    def _pod_of(self, name: str) -> client.V1Pod:
        code = self.containers[name].exit_code
        state, phase = client.V1ContainerState(running=client.V1ContainerStateRunning()), "Running"
        if code is not None:
            reason = "Error" if code else "Completed"
            ended = client.V1ContainerStateTerminated(exit_code=code, reason=reason)
            state, phase = client.V1ContainerState(terminated=ended), "Succeeded"
        if self.waiting is not None:
            waits = client.V1ContainerStateWaiting(reason=self.waiting, message="back-off of nemo")
            state, phase = client.V1ContainerState(waiting=waits), "Pending"
        status = client.V1ContainerStatus(
            name="node", image="nemo", image_id="", ready=False, restart_count=0, state=state
        )
        return _pod(f"{name}-pod", client.V1PodStatus(phase=phase, container_statuses=[status]))

    def close(self) -> None:
        for container in self.containers.values():
            container.end()


def expanded(listed: list[dict[str, Any]]) -> dict[str, str]:
    """Variables as a container gets them: Kubernetes expands ``$(NAME)``, and halves ``$$``."""
    given: dict[str, str] = {}
    for item in listed:
        if "value" not in item:
            continue
        given[item["name"]] = _REFERENCE.sub(
            lambda found: "$" if found[0] == "$$" else given.get(found[1], found[0]), item["value"]
        )
    return given


def _pod(name: str, status: client.V1PodStatus) -> client.V1Pod:
    spec = client.V1PodSpec(containers=[client.V1Container(name="node")])
    metadata = client.V1ObjectMeta(name=name, namespace="team")
    return client.V1Pod(metadata=metadata, spec=spec, status=status)


def _json(model: Any) -> Any:
    return client.ApiClient().sanitize_for_serialization(model)


def _not_found() -> Reply:
    return Reply({"kind": "Status", "code": 404, "reason": "NotFound"}, 404)


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": url}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "users": [{"name": "test", "user": {"token": "none"}}],
    }
