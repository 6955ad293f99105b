"""Profiles of Slurm clusters: from a login node, or over ssh."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from nemo_runspec.errors import ProfileError
from nemo_runspec.execution.profiles.model import (
    NUMBER_TOO,
    ExecutorName,
    LaunchMode,
    Profile,
    key,
)
from nemo_runspec.packaging.code import SshTarget

_TIME = re.compile(r"\d+|\d+(:\d{1,2}){1,2}|\d+-\d{1,2}(:\d{1,2}){0,2}|UNLIMITED", re.IGNORECASE)
# NeMo-Run writes paths into its scripts as they are: a shell and Slurm's patterns read them.
_FOLDER_OF_JOBS = re.compile(r"/[A-Za-z0-9_@+=./-]*")
_ARRAY = re.compile(r"\d+(-\d+(:\d+)?)?(,\d+(-\d+(:\d+)?)?)*(%\d+)?")
_WITHOUT_SPACES = frozenset(
    {
        *("host", "user", "account", "partition", "run_partition", "batch_partition", "qos", "mem"),
        *("mem_per_gpu", "mem_per_cpu", "gres", "nodelist", "exclude", "reservation"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmProfile(Profile):
    """A Slurm cluster."""

    executor: ClassVar[ExecutorName] = "slurm"

    tunnel: Literal["local", "ssh"] | None = key(
        "`ssh`, or `local` where this machine has `sbatch`; by default `ssh` where `host` is set"
    )
    host: str | None = key("login node, as ssh takes it")
    user: str | None = key("user there; by default the one that ssh chooses")
    port: int | None = key("ssh port; by default the one that ssh chooses")
    identity: str | None = key("file with a private key; by default what ssh chooses")
    remote_job_dir: str | None = key(
        "folder on the cluster that every node sees: job folders, code and logs lie there"
    )
    account: str | None = key("account that is charged")
    partition: str | None = key("partition, for `--run` and `--batch` alike")
    run_partition: str | None = key("partition of `--run`")
    batch_partition: str | None = key("partition of `--batch`")
    time: Annotated[str, NUMBER_TOO] = key(
        "longest time that the job may run, as `D-HH:MM:SS` or minutes", "00:10:00"
    )
    gpus_per_node: int = key("GPUs of each machine; by default those of the recipe", 0)
    cpus_per_task: int | None = key("CPUs of each process")
    cpus_per_gpu: int | None = key("CPUs for each GPU")
    gpus_per_task: int | None = key("GPUs of each process")
    mem: Annotated[str, NUMBER_TOO] | None = key(
        "memory of each machine, such as `64G`; `0` for all of it"
    )
    mem_per_gpu: Annotated[str, NUMBER_TOO] | None = key("memory for each GPU")
    mem_per_cpu: Annotated[str, NUMBER_TOO] | None = key("memory for each CPU")
    exclusive: bool | str | None = key("whether machines are shared with nobody; or `user`")
    qos: str | None = key("quality of service")
    gres: str | None = key("generic resources, such as `gpu:8`")
    constraint: str | None = key("features that machines must have")
    nodelist: str | None = key("machines that the job must get")
    exclude: str | None = key("machines that the job must not get")
    reservation: str | None = key("reservation that the job uses")
    comment: str | None = key("comment of the job")
    signal: str | None = key("signal before the end, such as `B:USR1@120`")
    array: str | None = key("indices of a job array, such as `0-3`")
    segment: int | None = key("machines of one block for topology-aware scheduling")
    network: str | None = key("network options of Slurm")
    open_mode: Literal["append", "truncate"] = key("how a requeued job's log continues", "append")
    requeue: bool | None = key("whether the job is queued again after a failed or preempted node")
    job_name_prefix: str | None = key("beginning of the job's name; by default the account's")
    container_env: tuple[str, ...] = key("variables that win over the image's own", ())
    squash_image: bool = key("whether enroot squashes the image in the cache once", default=False)
    srun_args: tuple[str, ...] = key("more arguments of `srun`", ())
    additional_parameters: Mapping[str, Any] = key(
        "more options of `sbatch`, named with underscores", {}
    )
    dependency_type: str = key("when a dependent job starts", "afterok")
    memory_measure: bool = key("whether the GPU memory that is used is logged", default=False)
    ray_template: str = key("NeMo-Run's template for its own Ray jobs", "ray.sub.j2")
    retries: int = key("times that a failed job is started again by NeMo-Run", 0)

    @classmethod
    def refusal(cls, name: str, value: Any) -> str | None:
        """Say what a value of the right type must be all the same; None where it will do."""
        if name == "time" and not _TIME.fullmatch(value):
            return "minutes, 'HH:MM:SS' or 'D-HH:MM:SS'"
        if name == "array" and not _ARRAY.fullmatch(value):
            return "indices such as '0-3' or '0,2%1'"
        if name in _WITHOUT_SPACES and (not value or re.search(r"\s", value)):
            return "a text without spaces"
        # With its arguments: a dataclass with slots is another class than the one written here.
        return super(SlurmProfile, cls).refusal(name, value)

    @property
    def elsewhere(self) -> bool:
        """Whether the job sees none of this machine's files."""
        return self.over_ssh

    @property
    def over_ssh(self) -> bool:
        """Whether the cluster is reached through ssh."""
        return self.tunnel == "ssh" or (self.tunnel is None and self.host is not None)

    def common_folder(self, cwd: PurePath) -> PurePath | None:
        """Name the folder that relative outputs lie in; None where each job has only its own."""
        if not self.over_ssh:
            return super(SlurmProfile, self).common_folder(cwd)
        folder = None if self.remote_job_dir is None else PurePosixPath(self.remote_job_dir)
        return folder if folder is not None and self.keeps(folder) else None

    def partition_for(self, mode: LaunchMode) -> str | None:
        """Name the partition of attached or detached jobs."""
        special = self.run_partition if mode == "run" else self.batch_partition
        return special or self.partition

    def login_node(self) -> tuple[str, str] | None:
        """Name the login node and the folder there; None where ``sbatch`` is called here.

        Raises:
            ProfileError: One of them is not named.
        """
        if not self.over_ssh:
            return None
        if self.host is None or self.remote_job_dir is None:
            missing = "host" if self.host is None else "remote_job_dir"
            raise ProfileError(
                f"The profile '{self.name}' goes over ssh and has no '{missing}'.",
                where=f"profile {self.name}",
                hint=f"Write {missing} = … under [{self.name}].",
            )
        return self.host, self.remote_job_dir

    def ssh_target(self) -> SshTarget | None:
        """Say how to reach the login node; None where ``sbatch`` is called here.

        Raises:
            ProfileError: The login node or the folder is not named, or the key is not there.
        """
        node = self.login_node()
        if node is None:
            return None
        host, root = node
        return SshTarget(
            host=host,
            root=root,
            user=self.user,
            port=self.port,
            identity=self._key(),
        )

    def _key(self) -> Path | None:
        file = None if self.identity is None else Path(self.identity).expanduser()
        if file is not None and not file.is_file():
            # ssh would only mutter, and go on with another key that it happens to have.
            raise ProfileError(
                f"The key {file} is not there.",
                where=f"profile {self.name}",
                hint="Let 'identity' name the file of a private key, or leave it out: then ssh "
                "chooses.",
            )
        return file


def require_folder_of_jobs(folder: str) -> None:
    """Check that the scripts of jobs can have a folder in them.

    Raises:
        ProfileError: They cannot.
    """
    if not _FOLDER_OF_JOBS.fullmatch(folder):
        raise ProfileError(
            f"{folder!r} cannot be a folder of jobs: NeMo-Run writes it into its script unquoted.",
            where="remote_job_dir",
            hint="Write remote_job_dir = … in the profile, with an absolute path of letters, "
            "digits, '.', '_', '-' and '/'.",
        )
