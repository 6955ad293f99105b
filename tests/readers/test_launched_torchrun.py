"""The launch script's torchrun: processes on two simulated machines really meet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from nemo_runspec.execution.launching import LaunchRequest, render_launch_script
from nemo_runspec.execution.profiles.model import ExecutorName

ALL_REDUCE = """
import json, os, sys
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
total = torch.tensor([rank + 1])
dist.all_reduce(total)
names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "lower")
found = {name: os.environ[name] for name in names}
with open(f"{sys.argv[1]}/{rank}.json", "w") as file:
    json.dump(found | {"total": int(total), "size": size, "host": os.environ["HOST"]}, file)
dist.destroy_process_group()
sys.exit(int(sys.argv[2]) if rank == size - 1 else 0)
"""
NODES, EACH = 2, 2
WORLD = NODES * EACH


def slurm(node: int) -> dict[str, str]:
    return {
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_NODEID": str(node),
        "SLURM_PROCID": str(node),
        "SLURM_NTASKS": str(NODES),
    }


def kubeflow(node: int) -> dict[str, str]:
    return {
        "PET_NODE_RANK": str(node),
        "PET_NNODES": str(NODES),
        "PET_NPROC_PER_NODE": "1",
        "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": free_port(),
    }


def free_port() -> str:
    """A port that both machines are told."""
    return str(20000 + os.getpid() % 9000)


# What the other clouds say is read back from scripts that start no torch.
SAID = {"slurm": slurm, "kubeflow": kubeflow}


def start(
    request: LaunchRequest, folder: Path, host: str, said: Mapping[str, str]
) -> subprocess.Popen[str]:
    kept = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    path = f"{Path(sys.executable).parent}:{kept['PATH']}"
    return subprocess.Popen(
        ["bash", "-c", render_launch_script(request)],
        cwd=folder,
        env={**kept, "PATH": path, "OMP_NUM_THREADS": "1", "HOST": host, **said},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def request_for(folder: Path, executor: ExecutorName, code: int, **changes: int) -> LaunchRequest:
    (folder / "train.py").write_text(ALL_REDUCE)
    (folder / "found").mkdir()
    return LaunchRequest(
        launch="torchrun",
        words=("train.py", str(folder / "found"), str(code)),
        workdir=str(folder),
        run_dir=str(folder),
        variables={"lower": "a 'b' $HOME"},
        executor=executor,
        nodes=changes.get("nodes", NODES),
        processes_per_node=EACH,
    )


def found_by(folder: Path) -> list[dict[str, object]]:
    files = sorted((folder / "found").iterdir(), key=lambda file: int(file.stem))
    return [json.loads(file.read_text()) for file in files]


@pytest.mark.parametrize("executor", SAID)
def test_processes_of_two_machines_meet(tmp_path: Path, executor: ExecutorName) -> None:
    request = request_for(tmp_path, executor, 0)

    machines = [
        start(request, tmp_path, f"host{node}", SAID[executor](node)) for node in range(NODES)
    ]
    outputs = [machine.communicate()[0] for machine in machines]

    assert [machine.returncode for machine in machines] == [0, 0], outputs
    assert found_by(tmp_path) == [
        {
            "RANK": str(rank),
            "WORLD_SIZE": str(WORLD),
            "LOCAL_RANK": str(rank % EACH),
            "LOCAL_WORLD_SIZE": str(EACH),
            "lower": "a 'b' $HOME",
            "total": sum(range(1, WORLD + 1)),
            "size": WORLD,
            "host": f"host{rank // EACH}",
        }
        for rank in range(WORLD)
    ]


def test_processes_of_one_machine_meet(tmp_path: Path) -> None:
    request = request_for(tmp_path, "slurm", 0, nodes=1)

    machine = start(request, tmp_path, "host0", {})

    assert (machine.communicate()[0], machine.returncode)[1] == 0
    assert [item["total"] for item in found_by(tmp_path)] == [3, 3]


def test_a_process_that_fails_fails_its_machine(tmp_path: Path) -> None:
    request = request_for(tmp_path, "slurm", 3)

    machines = [start(request, tmp_path, f"host{node}", slurm(node)) for node in range(NODES)]
    output = machines[-1].communicate()[0]
    # Slurm ends the other machine, whose torchrun waits for this one.
    machines[0].kill()
    machines[0].communicate()

    assert machines[-1].returncode == 1
    assert "exitcode  : 3" in output


def test_direct_tasks_of_slurm_meet_without_torchrun(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(ALL_REDUCE)
    (tmp_path / "found").mkdir()
    request = LaunchRequest(
        launch="direct",
        words=("train.py", str(tmp_path / "found"), "0"),
        workdir=str(tmp_path),
        run_dir=str(tmp_path),
        variables={"lower": ""},
        executor="slurm",
        nodes=NODES,
        processes_per_node=EACH,
    )
    tasks = [
        start(
            request,
            tmp_path,
            "host",
            {
                "SLURM_JOB_ID": str(os.getpid()),
                "SLURM_PROCID": str(rank),
                "SLURM_NTASKS": str(WORLD),
                "SLURM_LOCALID": str(rank % EACH),
                "SLURM_NODEID": str(rank // EACH),
            },
        )
        for rank in range(WORLD)
    ]
    outputs = [task.communicate()[0] for task in tasks]

    assert [task.returncode for task in tasks] == [0] * WORLD, outputs
    assert {item["total"] for item in found_by(tmp_path)} == {sum(range(1, WORLD + 1))}
