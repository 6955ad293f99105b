"""Profiles of Kubernetes clusters: Kubeflow's trainer and KubeRay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nemo_runspec.execution.profiles.model import ExecutorName, Profile, key

_NO_MOUNTS = frozenset({"mounts"})


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeflowProfile(Profile):
    """A Kubernetes cluster with Kubeflow's Training Operator 2."""

    executor: ClassVar[ExecutorName] = "kubeflow"
    lacks: ClassVar[frozenset[str]] = _NO_MOUNTS

    namespace: str = key("namespace", "default")
    runtime_ref: str = key("`ClusterTrainingRuntime` that the job uses", "torch-distributed")
    gpus_per_node: int = key("GPUs of each pod; by default those of the recipe", 0)
    cpu_requests: str | None = key("CPUs of each pod that are asked for")
    memory_requests: str | None = key("memory of each pod that is asked for")
    cpu_limits: str | None = key("CPUs that each pod may use")
    memory_limits: str | None = key("memory that each pod may use")
    extra_resource_requests: Mapping[str, str] = key("more resources that are asked for", {})
    extra_resource_limits: Mapping[str, str] = key("more resources that a pod may use", {})
    volumes: tuple[Mapping[str, Any], ...] = key("volumes, as Kubernetes has them", ())
    volume_mounts: tuple[Mapping[str, Any], ...] = key(
        "where they are mounted, as Kubernetes has it", ()
    )
    workdir_pvc: str | None = key("volume claim that the job's files are sent to")
    workdir_pvc_path: str = key("where it is mounted", "/nemo_run")
    data_mover_image: str = key("image of the pod that sends them", "alpine:3.19")
    labels: Mapping[str, str] = key("labels of the job", {})
    annotations: Mapping[str, str] = key("annotations of the job", {})
    pod_labels: Mapping[str, str] = key("labels of its pods", {})
    pod_annotations: Mapping[str, str] = key("annotations of its pods", {})
    tolerations: tuple[Mapping[str, Any], ...] = key("tolerations, as Kubernetes has them", ())
    affinity: Mapping[str, Any] = key("affinity, as Kubernetes has it", {})
    env_list: tuple[Mapping[str, Any], ...] = key(
        "variables as Kubernetes has them, for `valueFrom`", ()
    )
    restart_policy: str = key("when a pod is started again", "OnFailure")
    image_pull_secrets: tuple[str, ...] = key("names of the secrets that image pulls need", ())
    pod_spec_overrides: Mapping[str, Any] = key("more fields of the pods' `spec`", {})
    container_kwargs: Mapping[str, Any] = key("more fields of the trainer", {})
    spec_kwargs: Mapping[str, Any] = key("more fields of the job's `spec`", {})
    train_job_basename: str | None = key("beginning of the job's name")
    retries: int = key("times that a failed job is started again", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeRayProfile(Profile):
    """A Kubernetes cluster with the KubeRay operator."""

    executor: ClassVar[ExecutorName] = "kuberay"
    lacks: ClassVar[frozenset[str]] = _NO_MOUNTS

    namespace: str = key("namespace", "default")
    ray_version: str = key("version of Ray in the image", "2.43.0")
    gpus_per_node: int = key("GPUs of each worker; by default those of the recipe", 0)
    head_cpu: str = key("CPUs of the head", "1")
    head_memory: str = key("memory of the head", "2Gi")
    cpu_requests: str | None = key("CPUs of each worker")
    memory_requests: str | None = key("memory of each worker")
    worker_groups: tuple[Mapping[str, Any], ...] = key(
        "groups of workers, each with `group_name`, `replicas`, `gpus_per_worker` …; by default "
        "one with `nodes` workers",
        (),
    )
    volumes: tuple[Mapping[str, Any], ...] = key("volumes, as Kubernetes has them", ())
    volume_mounts: tuple[Mapping[str, Any], ...] = key(
        "where they are mounted, as Kubernetes has it", ()
    )
    reuse_volumes_in_worker_groups: bool = key("whether workers get them too", default=True)
    labels: Mapping[str, str] = key("labels of the cluster", {})
    service_type: str = key("kind of the head's service", "ClusterIP")
    head_ports: tuple[Mapping[str, Any], ...] = key("ports of the head, as Kubernetes has them", ())
    ray_head_start_params: Mapping[str, Any] = key("arguments of the head's `ray start`", {})
    ray_worker_start_params: Mapping[str, Any] = key("arguments of the workers' `ray start`", {})
    spec_kwargs: Mapping[str, Any] = key("more fields of the pods' `spec`", {})
    container_kwargs: Mapping[str, Any] = key("more fields of the containers", {})
    lifecycle_kwargs: Mapping[str, Any] = key("lifecycle hooks of the containers", {})
    retries: int = key("times that a failed job is started again", 0)
