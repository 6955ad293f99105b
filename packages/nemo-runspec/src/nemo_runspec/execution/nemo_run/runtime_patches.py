"""What newer releases of Kubeflow's trainer want to be told of a job's pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEY = "runtimePatches"

_OLD_KEY = "podTemplateOverrides"
_MANAGER = "nemotron.nvidia.com/nemo-run"


def runtime_patches(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Say the pods' volumes, tolerations and the like as the trainer has it from release 2.2 on.

    NeMo-Run says them as release 2.1 has it. Each release leaves out what it does not know, and
    with it the volume that the job's files are on.

    Args:
        body: The ``TrainJob`` that NeMo-Run sends.

    Returns:
        What belongs under ``spec``; empty where the pods need nothing.
    """
    jobs = [
        {"name": target["name"], "template": {"spec": {"template": _pod(entry)}}}
        for entry in body["spec"].get(_OLD_KEY, ())
        for target in entry["targetJobs"]
    ]
    if not jobs:
        return []
    patched = {"template": {"spec": {"replicatedJobs": jobs}}}
    return [{"manager": _MANAGER, "trainingRuntimeSpec": patched}]


def _pod(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: entry[key] for key in ("metadata", "spec") if key in entry}
