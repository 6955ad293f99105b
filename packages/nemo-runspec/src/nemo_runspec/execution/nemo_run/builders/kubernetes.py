"""Executors of Kubernetes clusters: Kubeflow's trainer and KubeRay."""

from __future__ import annotations

from typing import Any

from nemo_runspec.errors import MissingDependencyError, ProfileError
from nemo_runspec.execution.nemo_run.builders.exact import for_pods, is_plain
from nemo_runspec.execution.nemo_run.builders.request import BuildRequest, field_names
from nemo_runspec.execution.profiles.kubernetes import KubeflowProfile, KubeRayProfile
from nemo_runspec.exports import require
from nemo_runspec.suggest import did_you_mean

_WORKERS = "workers"


def build_kubeflow(request: BuildRequest[KubeflowProfile]) -> Any:
    """Build ``run.KubeflowExecutor``."""
    request.refuse_startup_commands()
    profile = request.profile
    kubernetes = _kubernetes_config()
    plain = {name: value for name, value in request.variables.items() if is_plain(name, value)}
    # NeMo-Run's script would change these; what the pod itself is given is exact.
    others = {name: value for name, value in request.variables.items() if name not in plain}
    exact = [{"name": name, "value": value} for name, value in for_pods(others).items()]
    try:
        return request.run.KubeflowExecutor(
            image=request.need("container_image"),
            num_nodes=profile.nodes,
            nprocs_per_node=profile.ntasks_per_node,
            gpus_per_node=profile.gpus_per_node or None,
            env_vars=plain,
            env_list=[*exact, *request.same("env_list")["env_list"]],
            packager=request.packing(),
            **request.same(
                *("namespace", "runtime_ref", "cpu_requests", "memory_requests", "cpu_limits"),
                *("memory_limits", "extra_resource_requests", "extra_resource_limits", "volumes"),
                *("volume_mounts", "workdir_pvc", "workdir_pvc_path", "data_mover_image"),
                *("labels", "annotations", "pod_labels", "pod_annotations", "tolerations"),
                *("affinity", "restart_policy", "image_pull_secrets", "pod_spec_overrides"),
                *("container_kwargs", "spec_kwargs", "train_job_basename", "retries"),
            ),
        )
    except kubernetes.ConfigException as error:
        reason = str(error).rstrip(".")
        raise ProfileError(
            f"There is no Kubernetes configuration to reach a cluster with: {reason}.",
            where=profile.name,
            hint="Log in to the cluster, or name the file in KUBECONFIG.",
        ) from error


def build_kuberay(request: BuildRequest[KubeRayProfile]) -> Any:
    """Build ``run.KubeRayExecutor``."""
    request.refuse_startup_commands()
    profile = request.profile
    library = require("nemo_run.core.execution.kuberay", wanted="build_executor")
    return library.KubeRayExecutor(
        image=profile.container_image or "",
        worker_groups=_worker_groups(request, library.KubeRayWorkerGroup),
        env_vars=for_pods(request.variables),
        packager=request.packing(),
        **request.same(
            *("namespace", "ray_version", "head_cpu", "head_memory", "volumes", "volume_mounts"),
            *("reuse_volumes_in_worker_groups", "labels", "service_type", "head_ports"),
            *("ray_head_start_params", "ray_worker_start_params", "spec_kwargs"),
            *("container_kwargs", "lifecycle_kwargs", "retries"),
        ),
    )


def _worker_groups(request: BuildRequest[KubeRayProfile], group: Any) -> list[Any]:
    profile = request.profile
    usual: dict[str, Any] = {
        "gpus_per_worker": profile.gpus_per_node or None,
        "cpu_requests": profile.cpu_requests,
        "cpu_limits": profile.cpu_requests,
        "memory_requests": profile.memory_requests,
        "memory_limits": profile.memory_requests,
    }
    tables = request.same("worker_groups")["worker_groups"]
    if not tables:
        return [group(group_name=_WORKERS, replicas=profile.nodes, **usual)]
    known = field_names(group)
    for at, table in enumerate(tables):
        for name in table:
            if name not in known:
                raise ProfileError(
                    f"A group of workers has no key '{name}'.",
                    where=f"{profile.name}.worker_groups.{at}",
                    hint=did_you_mean(name, known),
                )
    return [
        group(**{"group_name": f"{_WORKERS}-{at}", **usual, **item})
        for at, item in enumerate(tables)
    ]


def _kubernetes_config() -> Any:
    try:
        return require("kubernetes.config", wanted="The executor kubeflow", install="kubernetes")
    except MissingDependencyError as error:
        raise MissingDependencyError(
            error.what, hint="Install it with: pip install 'nemo-run[kubeflow]'"
        ) from error
