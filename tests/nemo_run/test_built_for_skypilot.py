"""SkyPilot's tasks, as far as SkyPilot makes them without a cloud."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rendering.variables import AWKWARD

from nemo_runspec.errors import ProfileError
from nemo_runspec.execution import build_executor

KEYS: dict[str, Any] = {
    "executor": "skypilot",
    "infra": "k8s",
    "image": "docker:nvcr.io/nvidia/nemo:25.09",
    "gpus": "H100",
    "gpus_per_node": 8,
    "nodes": 2,
    "cpus": 16,
    "mem": "64+",
    "use_spot": True,
    "disk_size": 512,
    "ports": ["8265"],
    "setup": "pip list",
    "startup_commands": ["echo ready"],
}


@pytest.mark.parametrize("managed", [False, True])
def test_a_task_has_what_the_profile_says(tmp_path: Path, *, managed: bool) -> None:
    executor = build_executor({**KEYS, "managed": managed}, env_vars=AWKWARD)
    assert type(executor).__name__ == ("SkypilotJobsExecutor" if managed else "SkypilotExecutor")
    executor.job_dir = str(tmp_path)
    task = executor.to_task("golden", ["bash", "launch.sh"]).to_yaml_config()
    assert task["envs"] == AWKWARD
    assert (task["num_nodes"], task["setup"]) == (2, "pip list\necho ready")
    wanted = {"accelerators": {"H100": 8}, "cpus": "16", "memory": "64+", "ports": ["8265"]}
    assert {name: task["resources"][name] for name in wanted} == wanted


def test_what_nemo_run_refuses_is_told() -> None:
    with pytest.raises(ProfileError, match="Cannot specify both `infra` and `cloud`"):
        build_executor({**KEYS, "cloud": "aws"}, env_vars={})
