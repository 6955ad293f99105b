"""A packaged Ray driver: what its workers unpickle is found there as if it were installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from preparing import Cluster

from nemo_runspec.packaging import package_script

JOB = Path(__file__).parent / "ray_job"
OWN_CLUSTER = {"num_cpus": 2, "include_dashboard": False, "object_store_memory": 80 << 20}


@pytest.fixture(scope="module")
def main(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(JOB / "src")
        folder = tmp_path_factory.mktemp("job") / "packaged"
        return package_script(JOB / "drive.py", folder, packages=["convoy"]).main


def drive(script: Path, address: str, settings: dict[str, Any]) -> Any:
    command = [sys.executable, script.name, address, json.dumps(settings)]
    environ = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command,
        cwd=script.parent,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_workers_of_a_cluster_that_runs_find_the_modules(main: Path, cluster: Cluster) -> None:
    found = drive(main, cluster.address, {})
    assert found == {
        "by value": ["tea of 3", True, "__main__"],
        "by reference": "tea of 3",
        "nested": "tea of 6",
        "put": True,
        "actor": ["tea of 3", "tin of 4"],
        "actor of a package": ["Parcel(content='tea', weight=3)", "tea of 3"],
        "closure": "tea of 15",
        "cloudpickle": "tea of 3",
        "hook": None,
        "environment": "tea of 3",
        "actor's environment": "tea of 3",
        "lost": "glass",
        "line": ["raise LostParcel(parcel)"],
    }


def test_a_cluster_of_its_own_and_a_hook_of_its_own(main: Path, short_folder: Path) -> None:
    hook = {"runtime_env": {"worker_process_setup_hook": "convoy.goods.hook"}}
    settings = {**OWN_CLUSTER, "_temp_dir": str(short_folder / "own"), **hook}
    found = drive(main, "local", settings)
    assert found["hook"] == "convoy.goods"
    assert found["nested"] == "tea of 6"
