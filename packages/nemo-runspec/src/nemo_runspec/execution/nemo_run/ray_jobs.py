"""Jobs on Ray clusters of KubeRay, Lepton and DGX Cloud, which NeMo-Run starts.

On Slurm the launch script starts the cluster itself, with or without a container.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nemo_runspec.errors import ExecutionError, ProfileError
from nemo_runspec.execution.nemo_run.executors import build_executor
from nemo_runspec.execution.profiles import (
    DgxCloudProfile,
    KubeRayProfile,
    LeptonProfile,
    Profile,
)
from nemo_runspec.exports import require

LAUNCH_FILE = "launch.sh"
_LONGEST_NAME = 34
_NO_NAME = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class RayJobPlace:
    """Where the driver of a Ray job finds its code.

    Attributes:
        workdir: The folder of the code, as the driver sees it.
        command: What the cluster starts the driver with.
    """

    workdir: str
    command: str


def ray_job_name(recipe: str, stamp: str) -> str:
    """A name that Kubernetes takes.

    Args:
        recipe: The recipe's name.
        stamp: What tells the job from others of the recipe; its end is kept.
    """
    end = _NO_NAME.sub("-", stamp.lower()).strip("-")[-12:].strip("-")
    start = _NO_NAME.sub("-", recipe.lower()).strip("-")[: _LONGEST_NAME - len(end) - 1]
    return f"{start.strip('-')}-{end}"


def place_ray_job(profile: Profile, *, name: str, folder: Path) -> RayJobPlace:
    """Say where the code will lie; the launch script is rendered for that folder.

    Args:
        profile: A profile of KubeRay, Lepton or DGX Cloud.
        name: The job's name.
        folder: What is sent: the launch script and what it starts.

    Raises:
        ProfileError: The profile names no storage to put the code on.
        ExecutionError: The executor has no Ray jobs.
    """
    workdir = _workdir(profile, name, folder)
    script = LAUNCH_FILE if workdir == "." else f"{workdir}/{LAUNCH_FILE}"
    return RayJobPlace(workdir=workdir, command=f"bash {script}")


def start_ray_job(
    profile: Profile,
    *,
    name: str,
    folder: Path,
    env_vars: Mapping[str, str],
    dryrun: bool = False,
) -> Any:
    """Send the code and start the job.

    Args:
        profile: A profile of KubeRay, Lepton or DGX Cloud.
        name: The job's name.
        folder: What is sent: the launch script and what it starts.
        env_vars: All variables of the job; every container gets them.
        dryrun: Whether NeMo-Run only prints what it would create.

    Returns:
        NeMo-Run's ``RayJob``.

    Raises:
        MissingDependencyError: NeMo-Run is not installed.
        ProfileError: The profile lacks something.
        ExecutionError: The executor has no Ray jobs.
    """
    place = place_ray_job(profile, name=name, folder=folder)
    # The launch script runs them; not every executor of NeMo-Run would.
    executor = build_executor(replace(profile, startup_commands=()), env_vars=env_vars)
    library = require("nemo_run.run.ray.job", wanted="A Ray job")
    job = library.RayJob(name=name, executor=executor)
    if isinstance(profile, DgxCloudProfile) and not dryrun:
        _send_to_volume(executor, folder, place.workdir)
    job.start(command=place.command, workdir=str(folder), dryrun=dryrun)
    return job


def _workdir(profile: Profile, name: str, folder: Path) -> str:
    if isinstance(profile, KubeRayProfile):
        if not profile.volumes or not profile.volume_mounts:
            raise ProfileError(
                "The code of a Ray job is put on a volume, and the profile has none.",
                where=profile.name,
                hint="Add volumes and volume_mounts.",
            )
        mount = str(profile.volume_mounts[0]["mountPath"]).rstrip("/")
        user = require("nemo_run.run.ray.kuberay", wanted="A Ray job").get_user()
        return f"{mount}/{user}/code/{folder.name}"
    if isinstance(profile, LeptonProfile):
        # Ray itself sends the folder, and starts the driver in it.
        return "."
    if isinstance(profile, DgxCloudProfile):
        return f"{str(profile.pvc_nemo_run_dir).rstrip('/')}/{name}"
    raise ExecutionError(
        f"NeMo-Run has no Ray jobs on the executor {profile.executor!r}.",
        where=profile.name,
        hint="Choose a profile of KubeRay, Lepton, DGX Cloud or Slurm.",
    )


def _send_to_volume(executor: Any, folder: Path, place: str) -> None:
    """NeMo-Run sends no code with a Ray job there; its own data mover can."""
    executor.job_dir, executor.pvc_job_dir = str(folder), place
    token = executor.get_auth_token()
    project, cluster = executor.get_project_and_cluster_id(token)
    executor.move_data(token, project, cluster)
