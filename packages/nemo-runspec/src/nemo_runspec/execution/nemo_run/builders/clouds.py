"""Executors of clouds: SkyPilot, DGX Cloud, Lepton."""

from __future__ import annotations

import importlib.util
from typing import Any

from nemo_runspec.errors import MissingDependencyError
from nemo_runspec.execution.nemo_run.builders.exact import is_plain
from nemo_runspec.execution.nemo_run.builders.request import BuildRequest, reworded
from nemo_runspec.execution.profiles.clouds import (
    DgxCloudProfile,
    LeptonProfile,
    SkypilotProfile,
)

_SKYPILOT = (
    *("container_image", "infra", "cloud", "region", "zone", "gpus", "cpus", "memory"),
    *("instance_type", "use_spot", "disk_size", "disk_tier", "network_tier", "cluster_name"),
    *("autodown", "idle_minutes_to_autostop", "retry_until_up", "retries"),
)


def build_skypilot(request: BuildRequest[SkypilotProfile]) -> Any:
    """Build ``run.SkypilotExecutor`` or, for managed jobs, ``run.SkypilotJobsExecutor``."""
    if importlib.util.find_spec("sky") is None:
        raise MissingDependencyError(
            "The executor skypilot needs skypilot, which is not installed.",
            hint="Install it with: pip install 'nemo-run[skypilot]'",
        )
    profile, run = request.profile, request.run
    made = run.SkypilotJobsExecutor if profile.managed else run.SkypilotExecutor
    setup = "\n".join(filter(None, (profile.setup, *profile.startup_commands)))
    try:
        return made(
            num_nodes=profile.nodes,
            gpus_per_node=profile.gpus_per_node or None,
            torchrun_nproc_per_node=profile.ntasks_per_node,
            ports=list(profile.ports) or None,
            file_mounts=dict(profile.file_mounts) or None,
            storage_mounts=dict(profile.storage_mounts) or None,
            cluster_config_overrides=dict(profile.cluster_config_overrides) or None,
            setup=setup or None,
            env_vars=dict(request.variables),
            # The only one that it takes.
            packager=request.packager or run.GitArchivePackager(),
            **request.same(*_SKYPILOT),
        )
    except AssertionError as error:
        raise reworded(error, profile) from error


def build_dgxcloud(request: BuildRequest[DgxCloudProfile]) -> Any:
    """Build ``run.DGXCloudExecutor``."""
    request.refuse_startup_commands()
    profile = request.profile
    plain = {name: value for name, value in request.variables.items() if is_plain(name, value)}
    spec = request.same("custom_spec")["custom_spec"]
    if len(plain) < len(request.variables):
        # What the workload itself is given is exact; NeMo-Run's script would change the values.
        own = [{"name": name, "value": value} for name, value in request.variables.items()]
        spec["environmentVariables"] = [*own, *spec.get("environmentVariables", ())]
    return request.run.DGXCloudExecutor(
        **{name: request.need(name) for name in _DGX_NEEDS},
        pvc_nemo_run_dir=request.need("pvc_nemo_run_dir"),
        nprocs_per_node=profile.ntasks_per_node or profile.gpus_per_node or 1,
        custom_spec=spec,
        env_vars=plain,
        packager=request.packing(),
        **request.same(
            *("nodes", "gpus_per_node", "pvcs", "distributed_framework"),
            *("launched_from_cluster", "retries"),
        ),
    )


_DGX_NEEDS = (
    *("base_url", "kube_apiserver_url", "client_id", "client_secret", "project_name"),
    "container_image",
)


def build_lepton(request: BuildRequest[LeptonProfile]) -> Any:
    """Build ``run.LeptonExecutor``."""
    profile = request.profile
    return request.run.LeptonExecutor(
        container_image=request.need("container_image"),
        nemo_run_dir=request.need("nemo_run_dir"),
        node_group=request.need("node_group"),
        nprocs_per_node=profile.ntasks_per_node or profile.gpus_per_node or 1,
        mounts=request.same("storage_mounts")["storage_mounts"],
        pre_launch_commands=list(profile.startup_commands),
        env_vars=dict(request.variables),
        packager=request.packing(),
        **request.same(
            *("nodes", "gpus_per_node", "shared_memory_size", "resource_shape"),
            *("node_reservation", "secret_vars", "image_pull_secrets", "custom_spec"),
            *("head_resource_shape", "ray_version", "can_be_preempted", "can_preempt"),
            *("queue_priority", "launched_from_cluster", "retries"),
        ),
    )
