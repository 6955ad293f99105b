"""Profiles of clouds: SkyPilot, DGX Cloud, Lepton."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nemo_runspec.execution.profiles.model import ExecutorName, Profile, key

_NO_MOUNTS = frozenset({"mounts"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SkypilotProfile(Profile):
    """Machines that SkyPilot finds."""

    executor: ClassVar[ExecutorName] = "skypilot"
    lacks: ClassVar[frozenset[str]] = _NO_MOUNTS

    managed: bool = key(
        "whether SkyPilot's managed jobs run it, which restart elsewhere", default=False
    )
    infra: str | None = key("where machines are looked for, such as `aws/us-east-1`")
    cloud: str | tuple[str, ...] | None = key("cloud, or several to choose from")
    region: str | tuple[str, ...] | None = key("region, or several")
    zone: str | tuple[str, ...] | None = key("zone, or several")
    gpus: str | tuple[str, ...] | None = key("kind of GPU, such as `H100`, or several")
    cpus: int | float | str | None = key("CPUs of each machine")
    memory: int | float | str | None = key("memory of each machine, in GiB")
    instance_type: str | tuple[str, ...] | None = key("kind of machine, or several")
    use_spot: bool | None = key("whether machines may be taken away")
    disk_size: int | None = key("disk of each machine, in GiB")
    disk_tier: str | None = key("kind of disk")
    ports: tuple[str, ...] = key("ports that are opened", ())
    network_tier: str | None = key("kind of network")
    file_mounts: Mapping[str, str] = key("path on the machine to what is copied there", {})
    storage_mounts: Mapping[str, Any] = key("path on the machine to a bucket", {})
    cluster_name: str | None = key("name of the cluster; one that runs is used again")
    setup: str | None = key("shell commands that run once, when the machines are new")
    autodown: bool = key("whether the machines go when the job is done", default=False)
    idle_minutes_to_autostop: int | None = key("minutes without a job until they stop")
    retry_until_up: bool = key("whether to wait until there are machines", default=False)
    cluster_config_overrides: Mapping[str, Any] = key("SkyPilot configuration for this job", {})
    retries: int = key("times that a failed job is started again", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DgxCloudProfile(Profile):
    """A project of DGX Cloud (Run:ai)."""

    executor: ClassVar[ExecutorName] = "dgxcloud"
    lacks: ClassVar[frozenset[str]] = _NO_MOUNTS

    base_url: str | None = key("address of the API")
    kube_apiserver_url: str | None = key("address of the cluster's Kubernetes API")
    client_id: str | None = key("the application's name")
    client_secret: str | None = key("the application's secret, as `${oc.env:NAME}`", shown=False)
    project_name: str | None = key("project")
    pvc_nemo_run_dir: str | None = key("folder on a volume, where the job's files go")
    pvcs: tuple[Mapping[str, Any], ...] = key("volumes, each with `name` and `path`", ())
    gpus_per_node: int = key("GPUs of each machine; by default those of the recipe", 0)
    distributed_framework: str = key("framework of jobs on several machines", "PyTorch")
    launched_from_cluster: bool = key("whether this machine sees the volume itself", default=False)
    custom_spec: Mapping[str, Any] = key("more fields of the workload's `spec`", {})
    retries: int = key("times that a failed job is started again", 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeptonProfile(Profile):
    """A node group of Lepton (DGX Cloud Lepton)."""

    executor: ClassVar[ExecutorName] = "lepton"
    lacks: ClassVar[frozenset[str]] = _NO_MOUNTS

    nemo_run_dir: str | None = key("folder on a mounted storage, where the job's files go")
    storage_mounts: tuple[Mapping[str, Any], ...] = key(
        "storages, each with `path`, `mount_path` and `from`", ()
    )
    node_group: str | None = key("node group")
    node_reservation: str | None = key("reservation of machines")
    resource_shape: str | None = key("kind of machine, such as `gpu.8xh100-80gb`")
    head_resource_shape: str | None = key("kind of machine of a Ray cluster's head")
    gpus_per_node: int = key("GPUs of each machine; by default those of the recipe", 0)
    shared_memory_size: int = key("shared memory, in MiB", 65536)
    ray_version: str | None = key("version of Ray on a Ray cluster")
    secret_vars: Mapping[str, str] = key("environment variable to the name of a Lepton secret", {})
    image_pull_secrets: tuple[str, ...] = key("names of the secrets that image pulls need", ())
    can_be_preempted: bool = key("whether more urgent jobs may take the machines", default=False)
    can_preempt: bool = key("whether it may take machines from less urgent jobs", default=False)
    queue_priority: str | None = key("priority, such as `mid-4000`")
    launched_from_cluster: bool = key("whether this machine sees the storage itself", default=False)
    custom_spec: Mapping[str, Any] = key("more fields of the job's `spec`", {})
    retries: int = key("times that a failed job is started again", 0)
