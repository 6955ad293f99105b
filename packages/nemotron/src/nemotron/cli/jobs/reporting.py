"""What is told of a submitted job, and when; each way of telling it is a module of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from nemo_runspec.config.saving import JOB_FILE, TRAIN_FILE
from nemo_runspec.execution import RecipePlan, RecipePreview
from nemo_runspec.execution.environment import JobEnvironment
from nemo_runspec.execution.jobs import JobRecord
from nemo_runspec.execution.jobs.following import Listener
from nemo_runspec.execution.profiles import Profile
from nemotron.cli.job_end import JobEnd
from nemotron.cli.jobs.launch import Launch


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a dry run with a profile found.

    Attributes:
        plan: The job.
        launch: How it would be run.
        profile: Where.
        environment: The variables that it would get.
        scripts: What would run, to the byte: ``script``, and ``launch_script`` where it starts one.
        train: The train configuration, resolved.
    """

    plan: RecipePlan
    launch: Launch
    profile: Profile
    environment: JobEnvironment
    scripts: Mapping[str, str]
    train: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A job that was submitted, or staged.

    Attributes:
        plan: The job.
        launch: How it runs.
        profile: Where.
        record: Its record; None where it was only staged.
        run_dir: Its run directory on this machine.
        script: How to start what was staged; None where it was submitted.
    """

    plan: RecipePlan
    launch: Launch
    profile: Profile
    record: JobRecord | None
    run_dir: Path
    script: str | None

    @property
    def configs(self) -> dict[str, str]:
        """Label to path of its two configurations."""
        return {"job": str(self.run_dir / JOB_FILE), "train": str(self.run_dir / TRAIN_FILE)}


class JobReporter(Protocol):
    """Tells the user about one submitted job."""

    def planned(self, planned: Planned) -> None:
        """Report a dry run."""

    def previewed(self, preview: RecipePreview | None) -> None:
        """Report what the job would make, where its recipe can say; the dry run's last word."""

    def submitted(self, submission: Submission) -> None:
        """Report that a job was submitted."""

    def listener(self) -> Listener:
        """Say where its output and what is told of it go."""
        ...

    def detached(self, record: JobRecord) -> None:
        """Report that nobody waits for the job any more."""

    def ended(self, end: JobEnd) -> None:
        """Report how the job ended."""
