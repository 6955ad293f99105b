"""Start a script as the driver of a Ray cluster: one of its own on Slurm, or one that runs."""

from __future__ import annotations

import shlex

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.launching.joining import OVERRIDE, checked_address, is_client
from nemo_runspec.execution.launching.on_target import program
from nemo_runspec.execution.launching.on_target.ray_variables import CONFIG, RUNTIME_ENV
from nemo_runspec.execution.launching.places import (
    coordination,
    on_cloud,
    once_a_machine,
    place_of,
)
from nemo_runspec.execution.launching.request import LaunchRequest

# Here a job's machines share its folder, and each knows its rank.
_SLURM_RANK = 'nemotron_node="${SLURM_NODEID:-0}"'
_OVER_MACHINES = ("slurm", "lepton", "dgxcloud", "kubeflow")


def start_ray(request: LaunchRequest) -> str:
    """Bash that becomes the driver, or one machine of its cluster.

    Raises:
        ExecutionError: The executor has several machines and no Ray, or the address is none that
            a driver connects to.
    """
    driver = f'exec "$nemotron_python" {shlex.join(request.words)}'
    if request.ray_address is not None:
        return "\n".join((*join_running(request, request.ray_address), driver))
    if request.executor == "kuberay":
        # What submits the driver there gives it a cluster, whose workers are other containers.
        return "\n".join((*_handed_on(request), driver))
    if request.executor == "slurm":
        return f"{once_a_machine(request)}\n{_own_cluster(request, _SLURM_RANK)}"
    if request.nodes == 1:
        return driver
    if request.executor in _OVER_MACHINES:
        return _own_cluster(request, on_cloud(request))
    raise ExecutionError(
        f"The executor {request.executor!r} starts no Ray cluster over several machines.",
        where="run.env.nodes",
        hint="Choose a profile of Slurm, KubeRay, Lepton, DGX Cloud or Kubeflow, or name a cluster "
        "that runs: run.env.ray_address=HOST:PORT.",
    )


def join_running(request: LaunchRequest, address: str) -> list[str]:
    """Bash that tells a driver of a cluster that runs already, and gives its workers the variables.

    Args:
        request: The job.
        address: The cluster.

    Raises:
        ExecutionError: The address is none that a driver connects to.
    """
    quoted = shlex.quote(checked_address(address))
    return [f"export RAY_ADDRESS={quoted}", *_handed_on(request)]


def _own_cluster(request: LaunchRequest, rank: str) -> str:
    gpus = "" if request.gpus_per_node is None else f" --gpus {request.gpus_per_node}"
    own_place = place_of('own "${SLURM_JOB_ID:-$$}"')
    return rf"""
{rank}
{own_place}
exec "$nemotron_python" -I -c {program("ray_cluster")} \
  --folder "{coordination("ray")}" --rank "$nemotron_node" --nodes {request.nodes} \
  --address "$nemotron_head" --port "$nemotron_port"{gpus} -- {shlex.join(request.words)}
""".strip("\n")


def _handed_on(request: LaunchRequest) -> list[str]:
    """Give the workers, which other processes start, the variables of this job."""
    names = sorted({*request.variables, *request.secret_names})
    if not names:
        return []
    client = request.ray_address is not None and is_client(request.ray_address)
    words = shlex.join(("client" if client else "job", *names))
    find = f'"$nemotron_python" -I -c {program("ray_variables")} {words}'
    handed = RUNTIME_ENV if client else CONFIG
    lines = [f'nemotron_handed="$({find})" || exit 1', f'export {handed}="$nemotron_handed"']
    return lines if client else [*lines, f"export {OVERRIDE}=1"]
