"""Submit a job to this machine: a process of its own, with a profile's environment."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path

from nemo_runspec.config.saving import TRAIN_FILE
from nemo_runspec.execution.environment import collect_environment
from nemo_runspec.execution.jobs.detaching import start_detached
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.launching.joining import checked_address, join_cluster
from nemo_runspec.execution.local import PreparedRun
from nemo_runspec.execution.plan import RecipePlan
from nemo_runspec.execution.profiles import Profile
from nemo_runspec.run_result import RUN_DIR_VARIABLE


def submit_locally(
    run: PreparedRun,
    profile: Profile,
    *,
    mode: str,
    environ: Mapping[str, str] | None = None,
) -> JobRecord:
    """Start a prepared job on this machine, in a session of its own.

    Args:
        run: The job.
        profile: The profile that it runs with; its variables stand above this process's own.
        mode: ``run`` or ``batch``, for the record.
        environ: The environment to begin with; by default this process's own.

    Raises:
        ExecutionError: It cannot be started.
        ConfigError: A variable cannot reach a process.
    """
    try:
        variables = local_environment(run.plan, profile, environ=environ)
    except BaseException:
        shutil.rmtree(run.run_dir, ignore_errors=True)
        raise
    return start_detached(
        run,
        profile=profile.name,
        mode=mode,
        environment=variables,
        startup_commands=profile.startup_commands,
    )


def local_script(plan: RecipePlan, profile: Profile, run_dir: Path) -> str:
    """Spell what a job on this machine runs, as bash; of its secrets only the names are in it.

    Args:
        plan: The job.
        profile: The profile that it runs with.
        run_dir: Its run directory.
    """
    environment = collect_environment(plan, profile)
    lines = [
        "#!/bin/bash",
        "set -e",
        *(f"# export {name}=…" for name in environment.secrets),
        *(f"unset {name}" for name, _ in environment.withheld),
        *(f"export {name}={shlex.quote(value)}" for name, value in environment.public.items()),
        f"cd {shlex.quote(str(plan.cwd))}",
        f"export {RUN_DIR_VARIABLE}={shlex.quote(str(run_dir))}",
        *_cluster(plan, profile),
        *profile.startup_commands,
        f"exec {shlex.join(plan.command(run_dir / TRAIN_FILE))}",
    ]
    return "\n".join(lines) + "\n"


def _cluster(plan: RecipePlan, profile: Profile) -> list[str]:
    """Say which Ray cluster a driver joins."""
    if plan.recipe.run.launch == "torchrun" or profile.ray_address is None:
        return []
    return [f"export RAY_ADDRESS={shlex.quote(checked_address(profile.ray_address))}"]


def local_commands(plan: RecipePlan, profile: Profile, run_dir: Path) -> str:
    """Spell the same as what to type into a shell, which it leaves as it is.

    Args:
        plan: The job.
        profile: The profile that it runs with.
        run_dir: Its run directory.
    """
    _, _, script = local_script(plan, profile, run_dir).partition("\n")
    return f"(\n{script})\n"


def local_environment(
    plan: RecipePlan, profile: Profile, *, environ: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The environment of a job on this machine: what is here, with the job's own above it.

    Args:
        plan: The job.
        profile: The profile that it runs with.
        environ: The environment to begin with; by default this process's own.

    Raises:
        ConfigError: A variable cannot reach a process.
        ExecutionError: The profile's Ray address is none.
    """
    variables = os.environ if environ is None else environ
    asked = collect_environment(plan, profile, environ=variables)
    taken_away = {name for name, _ in asked.withheld}
    kept = {name: value for name, value in variables.items() if name not in taken_away}
    own = {item.name: item.value for item in asked.variables}
    if plan.recipe.run.launch == "torchrun" or profile.ray_address is None:
        return {**kept, **own}
    return {**kept, **own, **join_cluster(profile.ray_address, own, kept)}
