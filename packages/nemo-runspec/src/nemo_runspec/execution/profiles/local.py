"""Profiles of jobs on this machine: as a process, and in a container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nemo_runspec.execution.profiles.model import ExecutorName, Profile, key


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalProfile(Profile):
    """A process on this machine."""

    executor: ClassVar[ExecutorName] = "local"
    lacks: ClassVar[frozenset[str]] = frozenset({"container_image", "mounts", "nodes"})

    gpus_per_node: int = key("GPUs that the job uses", 0)
    retries: int = key("times that a failed job is started again by NeMo-Run", 0)

    @property
    def elsewhere(self) -> bool:
        """Whether the job sees none of this machine's files."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerProfile(Profile):
    """A container of this machine's Docker engine."""

    executor: ClassVar[ExecutorName] = "docker"
    lacks: ClassVar[frozenset[str]] = frozenset({"nodes"})
    least: ClassVar[Mapping[str, int]] = {**Profile.least, "gpus_per_node": -1}

    gpus_per_node: int = key("GPUs that the container gets; -1 for all", 0)
    runtime: str | None = key("container runtime, such as `nvidia`")
    shm_size: str | None = key("shared memory, such as `8g`")
    ulimits: tuple[str, ...] = key("limits, each as `NAME:SOFT[:HARD]`", ())
    ipc_mode: str | None = key("IPC namespace, such as `host`")
    healthcheck: Mapping[str, Any] = key("Docker's health check", {})
    privileged: bool = key("whether the container may do what the host may", default=False)
    network: str | None = key("network that the container joins")
    additional_kwargs: Mapping[str, Any] = key("more arguments of Docker's `containers.run`", {})
    retries: int = key("times that a failed job is started again by NeMo-Run", 0)

    @property
    def elsewhere(self) -> bool:
        """Whether the job sees none of this machine's files."""
        return False
