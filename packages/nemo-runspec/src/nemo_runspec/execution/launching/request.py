"""What has to be known to write the script that starts a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nemo_runspec.execution.profiles.model import ExecutorName
from nemo_runspec.runspec.model import Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """How a job is to be started.

    Attributes:
        launch: What starts the script: torchrun, Ray, or nothing but Python.
        words: The command line behind ``python``: the script and its arguments.
        workdir: The working directory, as the job sees it.
        run_dir: The job's own directory, as the job sees it; all its machines share it on Slurm.
        variables: The variables that may be written down; no text of this object shows their
            values.
        secret_names: The variables that the process gets from what starts it.
        startup_commands: Shell commands that run first, in the shell that starts the script.
        nodes: Number of machines.
        processes_per_node: Number of processes on each machine: torchrun starts them itself, for
            the others the scheduler does.
        executor: What runs the job; it says what a machine's rank and the first one's address are
            called there.
        ray_address: A Ray cluster that runs already; None where there is none.
        gpus_per_node: Number of GPUs that Ray may use on each machine; None for those it finds.
    """

    launch: Launch
    words: tuple[str, ...]
    workdir: str
    run_dir: str
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    secret_names: tuple[str, ...] = ()
    startup_commands: tuple[str, ...] = ()
    nodes: int = 1
    processes_per_node: int = 1
    executor: ExecutorName = "local"
    ray_address: str | None = None
    gpus_per_node: int | None = None
