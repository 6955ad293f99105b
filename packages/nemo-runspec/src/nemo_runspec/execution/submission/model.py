"""A submission before it is one: where everything will lie, and what will be sent."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.environment import JobEnvironment
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import Profile, SlurmProfile
from nemo_runspec.execution.profiles.model import LaunchMode
from nemo_runspec.execution.profiles.slurm import require_folder_of_jobs
from nemo_runspec.packaging.code import CodePackager

Mode = Literal["run", "batch", "stage"]

LAUNCH_FILE = "launch.sh"
# In the run directory here, until the job is sent.
STAGING = ".submission"
CODE_FOLDER = "code"
# Where a job finds its own directory in a container; NeMo-Run mounts it there.
INSIDE = "/nemo_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlace:
    """Where one job lies on the machine that it is submitted on.

    Attributes:
        base: The folder of all jobs.
        title: The title of the experiment that it belongs to.
        stamp: What tells that from others of the same title.
        task: What the job is called in it.
        contained: Whether it runs in a container, and sees other paths than the machine has.
        inside: The run directory, as a job in a container sees it.
    """

    base: str
    title: str
    stamp: str
    task: str
    contained: bool
    inside: str = INSIDE

    def __post_init__(self) -> None:
        require_folder_of_jobs(self.base)

    @property
    def experiment_id(self) -> str:
        """What NeMo-Run calls the experiment."""
        return f"{self.title}_{self.stamp}"

    @property
    def experiment_dir(self) -> str:
        """The folder that is sent."""
        return f"{self.base}/{self.title}/{self.experiment_id}"

    @property
    def job_dir(self) -> str:
        """The job's run directory."""
        return f"{self.experiment_dir}/{self.task}"

    @property
    def script(self) -> str:
        """The script for the scheduler."""
        return f"{self.experiment_dir}/{self.task}_sbatch.sh"

    @property
    def log_pattern(self) -> str:
        """The files that its processes print into."""
        return f"{self.job_dir}/log-*.out"

    @property
    def seen_job_dir(self) -> str:
        """The run directory, as the job sees it."""
        return self.inside if self.contained else self.job_dir

    @property
    def seen_code_dir(self) -> str:
        """The folder of its code, as the job sees it."""
        return f"{self.seen_job_dir}/{CODE_FOLDER}"


@dataclass(frozen=True, slots=True)
class SentTree:
    """A working tree that is sent apart from the job, since many jobs share it.

    Attributes:
        packager: What reads and sends it.
        source: A folder in it.
        root: The folder on the target that trees lie in.
        digest: What it was when the job was prepared.
    """

    packager: CodePackager
    source: Path
    root: str
    digest: str

    @property
    def path(self) -> str:
        """Where it will lie."""
        return f"{self.root}/trees/{self.digest}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSubmission:
    """A job that is ready to be submitted.

    Attributes:
        plan: What is run.
        profile: Where and with what, as it was asked for.
        mode: How.
        folder: The run directory on this machine, with the configurations.
        place: Where the job will lie.
        contents: The folder here that will be sent there: the experiment, with all its jobs.
        script: What the scheduler gets, to the byte.
        launch_script: What starts the recipe on each machine.
        environment: The job's variables.
        image: The container image that it runs in; None for none.
        mounts: What the container sees, each as ``SOURCE:TARGET``.
        tree: The working tree that goes with it, where one is sent by itself.
        after: What the scheduler calls the jobs that have to end well before.
    """

    plan: RecipePlan
    profile: Profile
    mode: Mode
    folder: Path
    place: JobPlace
    contents: Path
    script: str
    launch_script: str
    environment: JobEnvironment = field(repr=False)
    image: str | None = None
    mounts: tuple[str, ...] = ()
    tree: SentTree | None = None
    after: tuple[str, ...] = ()


def launch_mode(mode: Mode) -> LaunchMode:
    """Whether somebody waits for a job; whoever starts a staged one by hand does."""
    return "batch" if mode == "batch" else "run"


def slurm_profile(prepared: PreparedSubmission) -> SlurmProfile:
    """The profile of a job that goes to Slurm.

    Raises:
        ExecutionError: It does not.
    """
    if not isinstance(prepared.profile, SlurmProfile):
        raise ExecutionError(
            f"Jobs of the executor {prepared.profile.executor!r} do not go to Slurm.",
            where=f"profile {prepared.profile.name}",
        )
    return prepared.profile
