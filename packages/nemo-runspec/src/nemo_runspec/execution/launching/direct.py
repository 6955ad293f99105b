"""Start a script with nothing but Python: the scheduler starts each of its processes."""

from __future__ import annotations

import shlex

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.launching.places import alone, on_cloud, on_slurm
from nemo_runspec.execution.launching.ray import join_running
from nemo_runspec.execution.launching.request import LaunchRequest

_HEAD = r"""
export NODE_RANK="$nemotron_node" MASTER_ADDR="$nemotron_head" MASTER_PORT="$nemotron_port"
""".strip("\n")


def start_direct(request: LaunchRequest) -> str:
    """Bash that tells the process its rank, and becomes the script.

    Raises:
        ExecutionError: The executor starts one process on a machine, and more are wanted; or the
            address of a Ray cluster is none that a driver connects to.
    """
    script = f'exec "$nemotron_python" {shlex.join(request.words)}'
    # A script that nothing but Python starts may still be a driver: data preparation can be one.
    cluster = () if request.ray_address is None else join_running(request, request.ray_address)
    return "\n".join((_ranks(request), _HEAD, *cluster, script))


def _ranks(request: LaunchRequest) -> str:
    if request.executor == "slurm":
        return f"{on_slurm()}\n{_slurm_ranks(request)}"
    if request.processes_per_node > 1:
        raise ExecutionError(
            f"The executor {request.executor!r} starts one process on each machine, and the job "
            f"wants {request.processes_per_node}.",
            where="run.env.ntasks_per_node",
            hint='Set it to 1, or launch = "torchrun" in the runspec.',
        )
    place = alone() if request.nodes == 1 else on_cloud(request)
    sizes = f"WORLD_SIZE={request.nodes} LOCAL_RANK=0 LOCAL_WORLD_SIZE=1"
    return f'{place}\nexport RANK="$nemotron_node" {sizes}'


def _slurm_ranks(request: LaunchRequest) -> str:
    tasks = request.nodes * request.processes_per_node
    return rf"""
export RANK="${{SLURM_PROCID:-0}}" WORLD_SIZE="${{SLURM_NTASKS:-{tasks}}}"
export LOCAL_RANK="${{SLURM_LOCALID:-0}}"
export LOCAL_WORLD_SIZE="${{SLURM_NTASKS_PER_NODE:-{request.processes_per_node}}}"
""".strip("\n")
