"""Executors on this machine: a process, and a container of Docker's."""

from __future__ import annotations

from typing import Any

from nemo_runspec.execution.nemo_run.builders.exact import for_torchx
from nemo_runspec.execution.nemo_run.builders.request import BuildRequest, mounted_as
from nemo_runspec.execution.profiles.local import DockerProfile, LocalProfile


def build_local(request: BuildRequest[LocalProfile]) -> Any:
    """Build ``run.LocalExecutor``."""
    request.refuse_startup_commands()
    return request.run.LocalExecutor(
        ntasks_per_node=request.profile.ntasks_per_node or 1,
        env_vars={name: for_torchx(value) for name, value in request.variables.items()},
        packager=request.packing(),
        **request.same("retries"),
    )


def build_docker(request: BuildRequest[DockerProfile]) -> Any:
    """Build ``run.DockerExecutor``."""
    request.refuse_startup_commands()
    profile = request.profile
    return request.run.DockerExecutor(
        container_image=request.need("container_image"),
        ntasks_per_node=profile.ntasks_per_node or 1,
        num_gpus=profile.gpus_per_node or None,
        volumes=[mounted_as(mount) for mount in profile.mounts],
        env_vars=dict(request.variables),
        packager=request.packing(),
        **request.same(
            *("runtime", "shm_size", "ulimits", "ipc_mode", "healthcheck", "privileged"),
            *("network", "additional_kwargs", "retries"),
        ),
    )
