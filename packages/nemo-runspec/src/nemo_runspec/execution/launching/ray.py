"""Start a script as the driver of a Ray cluster: one of its own on Slurm, or one that runs."""

from __future__ import annotations

import shlex

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.launching.joining import OVERRIDE, checked_address, is_client
from nemo_runspec.execution.launching.on_target import program
from nemo_runspec.execution.launching.on_target.ray_variables import CONFIG, RUNTIME_ENV
from nemo_runspec.execution.launching.places import coordination, once_a_machine, place_of
from nemo_runspec.execution.launching.request import LaunchRequest

# What submits a driver there gives it a cluster: its workers run in other containers.
_WITH_CLUSTER = ("kuberay", "lepton", "dgxcloud")


def start_ray(request: LaunchRequest) -> str:
    """Bash that becomes the driver, or one machine of its cluster.

    Raises:
        ExecutionError: The executor has several machines and no Ray, or the address is none that
            a driver connects to.
    """
    driver = f'exec "$nemotron_python" {shlex.join(request.words)}'
    if request.ray_address is not None:
        address = shlex.quote(checked_address(request.ray_address))
        return "\n".join((f"export RAY_ADDRESS={address}", *_handed_on(request), driver))
    if request.executor in _WITH_CLUSTER:
        return "\n".join((*_handed_on(request), driver))
    if request.executor == "slurm":
        return _own_cluster(request)
    if request.nodes > 1:
        raise ExecutionError(
            f"The executor {request.executor!r} starts no Ray cluster over several machines.",
            where="run.env.nodes",
            hint="Choose a profile of Slurm, KubeRay, Lepton or DGX Cloud, or name a cluster that "
            "runs: run.env.ray_address=HOST:PORT.",
        )
    return driver


def _own_cluster(request: LaunchRequest) -> str:
    gpus = "" if request.gpus_per_node is None else f" --gpus {request.gpus_per_node}"
    own_place = place_of('own "${SLURM_JOB_ID:-0}"')
    return rf"""
{once_a_machine(request)}
{own_place}
exec "$nemotron_python" -I -c {program("ray_cluster")} \
  --folder "{coordination("ray")}" --rank "${{SLURM_NODEID:-0}}" --nodes {request.nodes} \
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
