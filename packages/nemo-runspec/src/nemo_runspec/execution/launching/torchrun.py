"""Start a script with torchrun: once on each machine, it starts the processes there."""

from __future__ import annotations

import shlex

from nemo_runspec.execution.launching.places import on_cloud, on_slurm, once_a_machine
from nemo_runspec.execution.launching.request import LaunchRequest


def start_torchrun(request: LaunchRequest) -> str:
    """Bash that becomes torchrun.

    Raises:
        ExecutionError: The executor cannot start torchrun on several machines.
    """
    parts = [once_a_machine(request)] if request.executor == "slurm" else []
    if request.nodes > 1:
        parts.append(on_slurm() if request.executor == "slurm" else on_cloud(request))
    torchrun = '"$nemotron_python" -m torch.distributed.run'
    words = shlex.join(request.words)
    parts.append(f"exec {torchrun} {_arguments(request)} {words}")
    return "\n".join(parts)


def _arguments(request: LaunchRequest) -> str:
    processes = f"--nproc-per-node {max(1, request.processes_per_node)}"
    if request.nodes == 1:
        return f"--standalone {processes}"
    return (
        f'--nnodes {request.nodes} {processes} --node-rank "$nemotron_node" '
        '--master-addr "$nemotron_head" --master-port "$nemotron_port"'
    )
