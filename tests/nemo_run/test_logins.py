"""Logins of W&B and the Hugging Face Hub, which reach the jobs of every executor.

Those of clouds and Kubernetes are started in the tests of clouds, by stand-ins of theirs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cloud_doubles.containers import write_tools
from cloud_doubles.kubernetes import Cluster
from kubernetes.config import kube_config
from slurm_recipes import SCRIPT, make_plan

from nemo_runspec.execution import build_executor
from nemo_runspec.execution.nemo_run.scrubbing import scrub
from nemo_runspec.execution.nemo_run.start import give_secrets
from nemo_runspec.execution.profiles import read_profile
from nemo_runspec.execution.submission import PreparedSubmission, prepare_submission
from nemotron.cli.main import main

PROFILES = Path(__file__).parent / "profiles.toml"
EXECUTORS = ("docker", "dgxcloud", "lepton", "kubeflow", "kuberay", "skypilot")
# As much of Slurm as runs a job at once, with the environment that sbatch has.
SLURM = {
    "sbatch": """#!/bin/sh
for last; do :; done
SLURM_JOB_ID=1 SLURM_PROCID=0 SLURM_NTASKS=1 bash "$last" >"$last.printed" 2>&1
echo 1
""",
    "srun": """#!/bin/sh
while [ $# -gt 0 ] && [ "$1" != bash ]; do shift; done
exec "$@"
""",
    "scontrol": "#!/bin/sh\n",
}


def given_to(executor: Any) -> dict[str, str]:
    """The variables that an executor hands to its engine, wherever it keeps them."""
    more = (getattr(executor, "custom_spec", None) or {}).get("environmentVariables", ())
    listed = [*getattr(executor, "env_list", ()), *more]
    return {**executor.env_vars, **{item["name"]: item["value"] for item in listed}}


@pytest.mark.parametrize("name", ["local", "slurm", *EXECUTORS])
def test_logins_reach_jobs_of_executors_that_users_build(
    name: str, logins: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = Cluster(url="http://127.0.0.1:1").kubeconfig(tmp_path / "kubeconfig")
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(file))
    monkeypatch.setenv("DGX_CLIENT_SECRET", "s3cret")
    monkeypatch.setenv("NEMOTRON_ENV", str(PROFILES))
    no_startup = {"startup_commands": []} if name == "docker" else {}
    found = given_to(build_executor(name, **no_startup))
    assert {key: found.get(key) for key in logins} == logins


@pytest.mark.parametrize("name", ["local", "slurm", "docker", "skypilot"])
def test_logins_reach_processes_of_jobs_that_the_command_starts(
    name: str, logins: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEMOTRON_RECIPES", str(tmp_path))
    image = 'container_image = "nemo:25"\n' if name in {"docker", "skypilot"} else ""
    (tmp_path / "env.toml").write_text(f'[lab]\nexecutor = "{name}"\n{image}')
    # A process of this machine that is the only one has no rank.
    plan = make_plan(tmp_path, script=SCRIPT.replace('["RANK"]', '.get("RANK", "0")'))
    if name in {"local", "slurm"}:
        tools = write_tools(tmp_path / "tools", SLURM)
        monkeypatch.setenv("PATH", f"{tools}:{Path(sys.executable).parent}:{os.environ['PATH']}")
        mode = "--run" if name == "local" else "--batch"
        assert main(["demo", "train", mode, "lab"]) == 0
    else:
        profile = read_profile(plan.job, plan.recipe, name="lab")
        prepared = prepare_submission(plan, profile, mode="batch", folder=tmp_path / "runs/one")
        run_as_engine(prepared, name)

    [seen] = tmp_path.rglob("seen-0.json")
    found = json.loads(seen.read_text())["environment"]
    assert {key: found.get(key) for key in logins} == logins
    seen.unlink()
    kept = tmp_path / (".nemotron" if name in {"local", "slurm"} else "runs")
    assert scrub(kept, [logins["HF_TOKEN"], logins["WANDB_API_KEY"]]) == ()


def run_as_engine(prepared: PreparedSubmission, name: str) -> None:
    """Run the launch script with what the engine's interface is given, as a container would."""
    profile = prepared.profile
    executor = build_executor(profile, env_vars={}, startup_commands=[])
    give_secrets(name, executor, prepared.environment.secrets)
    folder = prepared.contents / prepared.place.task
    if name == "skypilot":
        executor.job_dir = str(folder)
        given = executor.to_task("demo", ["bash", "launch.sh"]).to_yaml_config()["envs"]
    else:
        given = executor.env_vars
    script = prepared.launch_script.replace("/nemo_run", str(folder))
    run_in_container(script, given)


def run_in_container(script: str, given: Mapping[str, str]) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(["bash", "-c", script], check=True, env={"PATH": path, **given})
