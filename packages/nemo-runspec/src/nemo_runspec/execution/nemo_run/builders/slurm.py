"""Slurm's executor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nemo_runspec.execution.nemo_run.builders.exact import exports, for_bash
from nemo_runspec.execution.nemo_run.builders.request import BuildRequest
from nemo_runspec.execution.profiles.slurm import SlurmProfile

_SAME = (
    *("account", "time", "nodes", "cpus_per_task", "cpus_per_gpu", "gpus_per_task", "qos", "mem"),
    *("mem_per_gpu", "mem_per_cpu", "comment", "constraint", "exclude", "gres", "signal", "array"),
    *("open_mode", "segment", "network", "memory_measure", "ray_template", "dependency_type"),
    "retries",
)
_PREFIX = "nemotron."


def build_slurm(request: BuildRequest[SlurmProfile]) -> Any:
    """Build ``run.SlurmExecutor``, with a tunnel."""
    profile, variables = request.profile, request.variables
    # NeMo-Run writes names in upper case; the others go where it changes nothing.
    upper = {name: value for name, value in variables.items() if name == name.upper()}
    lower = {name: value for name, value in variables.items() if name not in upper}
    values = {"account": None, **request.same(*_SAME)}
    return request.run.SlurmExecutor(
        **values,
        job_name_prefix=profile.job_name_prefix or (None if profile.account else _PREFIX),
        partition=profile.partition_for(request.mode),
        ntasks_per_node=profile.ntasks_per_node or 1,
        gpus_per_node=profile.gpus_per_node or None,
        # False would be written as a value.
        exclusive=profile.exclusive or None,
        container_image=profile.container_image,
        container_mounts=list(profile.mounts),
        container_env=_container_env(request),
        srun_args=list(profile.srun_args) or None,
        additional_parameters=_more(profile) or None,
        setup_lines="\n".join((*exports(lower), *profile.startup_commands)) or None,
        tunnel=_tunnel(request),
        env_vars={name: for_bash(value) for name, value in upper.items()},
        packager=request.packing(),
    )


def _container_env(request: BuildRequest[SlurmProfile]) -> list[str] | None:
    """Name what wins over the variables of the image itself."""
    profile = request.profile
    if profile.container_image is None:
        return None
    return list(dict.fromkeys((*profile.container_env, *request.variables))) or None


def _more(profile: SlurmProfile) -> dict[str, Any]:
    """Options of sbatch that the executor has no field for; one that is off is left out."""
    named = {name: getattr(profile, name) for name in ("nodelist", "reservation")}
    if profile.requeue is not None:
        named["requeue" if profile.requeue else "no_requeue"] = True
    options = {**named, **profile.additional_parameters}
    return {name: value for name, value in options.items() if value not in (None, False)}


def _tunnel(request: BuildRequest[SlurmProfile]) -> Any:
    profile = request.profile
    if not profile.over_ssh:
        # LocalTunnel cannot work with a folder of its own: NEMORUN_HOME names it.
        return request.run.LocalTunnel(job_dir="")
    identity = None if profile.identity is None else str(Path(profile.identity).expanduser())
    return request.run.SSHTunnel(
        host=request.need("host"),
        user=profile.user,
        job_dir=request.need("remote_job_dir"),
        port=profile.port,
        identity=identity,
    )
