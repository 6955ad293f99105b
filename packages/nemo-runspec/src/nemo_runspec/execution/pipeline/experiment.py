"""The stages of a chain as one experiment of jobs that wait for each other."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nemo_runspec.errors import UsageError
from nemo_runspec.execution.jobs.record import read_record
from nemo_runspec.execution.pipeline.planning import PlannedPipe
from nemo_runspec.execution.pipeline.record import LIVE, StageRecord, new_stamp, pipe_folder
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import Profile, SlurmProfile, read_profile

if TYPE_CHECKING:
    from nemo_runspec.execution.submission import PreparedSubmission

_AFTER_SUCCESS = "afterok"
_PIPE = "pipe"
_THIS_MACHINE = "this machine"


def profile_of(plan: RecipePlan) -> Profile:
    """The profile that a stage's job runs with; jobs that depend on it need its success.

    Raises:
        ProfileError: It cannot be used.
    """
    profile = read_profile(plan.job, plan.recipe, name=str(plan.profile))
    if isinstance(profile, SlurmProfile):
        return replace(profile, dependency_type=_AFTER_SUCCESS)
    return profile


def require_queue(pipe: PlannedPipe) -> None:
    """Refuse a profile whose jobs cannot wait for each other.

    Args:
        pipe: A chain that is to be submitted at once.

    Raises:
        UsageError: It has no queue.
        ProfileError: It cannot be used.
    """
    for each in pipe.stages:
        queued(profile_of(each.plan))


def queued(profile: Profile) -> SlurmProfile:
    """Tell that a profile has a queue.

    Raises:
        UsageError: It has none.
    """
    if isinstance(profile, SlurmProfile):
        return profile
    raise UsageError(
        f"Jobs of the profile {profile.name!r} ({profile.executor}) cannot wait for each other, as "
        "the stages of a chain have to.",
        hint=f"Let this command wait: --run {profile.name}",
    )


def prepare_all(
    pipe: PlannedPipe, folder: Path, run_dirs: Sequence[Path]
) -> tuple[PreparedSubmission, ...]:
    """Prepare all stages or none, as one experiment.

    Args:
        pipe: The chain.
        folder: The folder that the experiment is written into.
        run_dirs: The run directory of each stage, which is made.

    Returns:
        Their jobs, in their order.

    Raises:
        UsageError: Stages cannot wait for each other.
        NemotronError: A stage cannot be prepared.
    """
    from nemo_runspec.execution.submission import Experiment, Task, prepare_experiment

    family, cwd = pipe.chain.family, pipe.request.cwd
    names = _task_names(family, [each.stage.name for each in pipe.stages])
    tasks = [
        Task(
            plan=each.plan,
            profile=queued(profile_of(each.plan)),
            folder=run_dir.absolute(),
            name=names[each.stage.name],
            after=tuple(names[name] for name in sorted(each.stage.sources & names.keys())),
        )
        for each, run_dir in zip(pipe.stages, run_dirs, strict=True)
    ]
    if not tasks:
        return ()
    _require_one_scheduler(pipe)
    home = pipe_folder(cwd, family, pipe.record.id)
    # What is submitted when a chain goes on is another experiment.
    again = any(stage.run_dir is not None for stage in pipe.record.stages)
    stamp = new_stamp(cwd, family) if again else pipe.record.id
    experiment = Experiment(f"{family}-{_PIPE}", stamp, folder.absolute(), home)
    return prepare_experiment(tasks, experiment, mode="batch")


def _require_one_scheduler(pipe: PlannedPipe) -> None:
    """Refuse stages that would wait for the jobs of a scheduler that does not know them."""
    hosts = {each.name: _host_of_job(each) for each in pipe.record.stages if each.state in LIVE}
    hosts |= {each.stage.name: _host_of_profile(each.plan) for each in pipe.stages}
    for each in pipe.stages:
        name = each.stage.name
        for source in sorted(each.stage.sources & hosts.keys()):
            if hosts[source] != hosts[name]:
                raise UsageError(
                    f"Stage {name} is submitted on {hosts[name]} and would wait for {source}, "
                    f"which is submitted on {hosts[source]}.",
                    where=f"profile {each.plan.profile}",
                    hint="Let both have one login node, or let this command wait: "
                    f"--run {each.plan.profile}",
                )


def _host_of_job(stage: StageRecord) -> str:
    ssh = read_record(Path(str(stage.run_dir))).ssh
    return _THIS_MACHINE if ssh is None else str(ssh["host"])


def _host_of_profile(plan: RecipePlan) -> str:
    target = queued(profile_of(plan)).ssh_target()
    return _THIS_MACHINE if target is None else target.host


def _task_names(family: str, stages: Sequence[str]) -> dict[str, str]:
    """What the jobs of stages are called; in a family's words, as recipes that are submitted alone.

    ``rl/swe`` and ``rl-swe`` are two stages, and would be one job's folder.
    """
    names: dict[str, str] = {}
    for stage in stages:
        name = re.sub(r"[^A-Za-z0-9._-]", "-", f"{family}-{stage}")
        while name in names.values():
            name += "_"
        names[stage] = name
    return names
