"""What every profile has, and how a profile declares its keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, ClassVar, Literal

ExecutorName = Literal[
    "local", "docker", "slurm", "skypilot", "dgxcloud", "lepton", "kubeflow", "kuberay"
]
LaunchMode = Literal["run", "batch"]
# Marks a text that people write as a number where it is one: minutes of a time, a memory of 0.
NUMBER_TOO = "a number too"


def key(says: str, default: Any = None, *, shown: bool = True) -> Any:
    """Declare a key of a profile.

    Args:
        says: What it is for, as the reference has it.
        default: What holds where it is not written.
        shown: Whether the model shows its value.
    """
    metadata = {"says": says}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), repr=shown, metadata=metadata)
    return field(default=default, repr=shown, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Where and with what a job runs; one subclass for each executor.

    Attributes:
        name: The profile's name in env.toml.
        told: What the reader of a panel should know: defaults that this executor has no place for.
    """

    executor: ClassVar[ExecutorName]
    lacks: ClassVar[frozenset[str]] = frozenset()
    least: ClassVar[Mapping[str, int]] = {
        "nodes": 1,
        "gpus_per_node": 0,
        "ntasks_per_node": 1,
        "retries": 0,
        "port": 1,
        "cpus_per_task": 1,
        "cpus_per_gpu": 1,
        "gpus_per_task": 0,
        "segment": 1,
        "shared_memory_size": 0,
        "disk_size": 1,
    }

    name: str
    told: tuple[str, ...] = ()
    container_image: str | None = key("image that the job runs in; above the recipe's own")
    mounts: tuple[str, ...] = key(
        "folders that the container sees: `SOURCE:TARGET`, or `PATH` for the same path inside; "
        "`${auto_mount:git+URL@REF,TARGET}` clones a repository",
        (),
    )
    env_vars: Mapping[str, str] = key("environment variables of the job", {}, shown=False)
    startup_commands: tuple[str, ...] = key("shell commands that run before the script", ())
    nodes: int = key("machines; by default those of the recipe", 1)
    gpus_per_node: int = key("GPUs of each machine; by default those of the recipe", 0)
    ntasks_per_node: int | None = key(
        "processes on each machine; by default what the recipe's launcher needs"
    )
    ray_address: str | None = key("address of a Ray cluster that runs already")

    @classmethod
    def refusal(cls, name: str, value: Any) -> str | None:
        """Say what a value of the right type must be all the same; None where it will do.

        Args:
            name: A key.
            value: Its value.
        """
        least = cls.least.get(name)
        too_small = least is not None and isinstance(value, int) and value < least
        return f"at least {least}" if too_small else None

    @property
    def elsewhere(self) -> bool:
        """Whether the job sees none of this machine's files."""
        return True

    def sees(self, path: PurePath) -> bool:
        """Tell whether the job finds a path of this machine under the same name."""
        return not self.elsewhere and self.keeps(path)

    def keeps(self, path: PurePath) -> bool:
        """Tell whether a path of the job's machine is the same one in the job's container."""
        return not self.container_image or any(
            path.is_relative_to(place) for place in _same_inside(self.mounts)
        )

    def common_folder(self, cwd: PurePath) -> PurePath | None:
        """Name the folder that relative outputs lie in; None where each job has only its own.

        Args:
            cwd: The working directory of the command.
        """
        return cwd if self.sees(cwd) else None


def _same_inside(mounts: tuple[str, ...]) -> list[str]:
    parts = [mount.split(":") for mount in mounts if not mount.startswith("git+")]
    return [words[0] for words in parts if len(words) == 1 or words[0] == words[1]]
