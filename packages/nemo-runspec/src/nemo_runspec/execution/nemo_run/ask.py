"""Ask NeMo-Run about a job that it started, or end it: run as a module, in a process of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.execution.nemo_run.complaints import told
from nemo_runspec.exports import require

WORD = "nemotron-answer: "
RAY_SCHEME = "kuberay://"
_WANTED = "asking about a job"
_NOT_FOUND = 404


def ask(handle: str, *, end: bool) -> str | None:
    """Find out what NeMo-Run knows of a job.

    Args:
        handle: What it calls the job.
        end: Whether to ask for the job's end before.

    Returns:
        Its word for the state; None where it does not know the job.
    """
    if handle.startswith(RAY_SCHEME):
        return _ask_about_ray_job(*handle.removeprefix(RAY_SCHEME).split("/", 1), end=end)
    runners = require("nemo_run.run.torchx_backend.runner", wanted=_WANTED)
    runner = runners.get_runner(component_defaults=None)
    if end:
        runner.cancel(handle)
    status = runner.status(handle)
    return None if status is None else str(status.state.name)


def _ask_about_ray_job(namespace: str, name: str, *, end: bool) -> str | None:
    """Ask the cluster; NeMo-Run's own question takes a failure for a state of the job."""
    executors = require("nemo_run.core.execution.kuberay", wanted=_WANTED)
    jobs = require("nemo_run.run.ray.kuberay", wanted=_WANTED)
    job = jobs.KubeRayJob(name=name, executor=executors.KubeRayExecutor(namespace=namespace))
    place = {"group": "ray.io", "version": "v1", "plural": "rayjobs"}
    where = {**place, "namespace": namespace, "name": job.job_name}
    try:
        if end:
            job.api.delete_namespaced_custom_object(**where)
            return None
        found = job.api.get_namespaced_custom_object(**where).get("status", {})
    except jobs.ApiException as error:
        if error.status == _NOT_FOUND:
            return None
        raise
    return ray_job_state(found)


def ray_job_state(status: Mapping[str, Any]) -> str:
    """Tell a Ray job's state in the words of NeMo-Run's other engines.

    Args:
        status: What KubeRay's operator wrote down of it.
    """
    word = status.get("jobStatus") or "PENDING"
    if status.get("jobDeploymentStatus") in {"Failed", "ValidationFailed"}:
        return "FAILED"
    return "CANCELLED" if word == "STOPPED" else str(word)


if __name__ == "__main__":
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    with told():
        state = ask(asked["handle"], end=asked["end"])
    sys.stdout.write(f"\n{WORD}{json.dumps(state)}\n")
    sys.stdout.flush()
    # Some of NeMo-Run's schedulers leave threads behind that never end.
    os._exit(0)
