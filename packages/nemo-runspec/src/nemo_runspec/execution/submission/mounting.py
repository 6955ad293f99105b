"""What a container sees: cloned and squashed where the job will run, once it is really sent."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from nemo_runspec.env_toml import find_env_toml, load_env_toml
from nemo_runspec.errors import ProfileError
from nemo_runspec.execution.mounts import place_image, place_mounts
from nemo_runspec.execution.profiles import SlurmProfile
from nemo_runspec.execution.shells import ClusterShell
from nemo_runspec.execution.submission.model import PreparedSubmission, slurm_profile

_HERE = "~/.cache/nemotron"
_THERE = ".cache"
_IMAGE_OPTION = "--container-image"


def place_container(prepared: PreparedSubmission, shell: ClusterShell) -> PreparedSubmission:
    """Clone the repositories that are mounted, and squash the image where that is asked for.

    What was prepared names them as the user does; the script that is sent names the folders and
    the file instead.

    Args:
        prepared: The job.
        shell: A shell of the machine that it is submitted on.

    Raises:
        ExecutionError: git or enroot fails there.
        TransferError: The machine cannot be reached.
    """
    profile = replace(slurm_profile(prepared), container_image=prepared.image)
    cache = cache_dir(profile)
    mounts = place_mounts(profile, shell, cache)
    image = place_image(profile, shell, cache)
    script = prepared.script
    for written, placed in zip(profile.mounts, mounts, strict=True):
        script = script.replace(written, placed)
    if image is not None and prepared.image is not None:
        script = script.replace(_option(prepared.image), _option(image))
    if script != prepared.script:
        name = Path(prepared.place.script).name
        (prepared.contents / name).write_text(script, encoding="utf-8")
    return replace(prepared, script=script, mounts=mounts, image=image)


def cache_dir(profile: SlurmProfile) -> str:
    """Name the folder for clones and images on the machine that jobs are submitted on.

    Raises:
        ProfileError: ``[cache] dir`` of env.toml is no text.
    """
    file = find_env_toml()
    said = None if file is None else load_env_toml(file).cache.get("dir")
    if said is None:
        return _HERE if profile.remote_job_dir is None else f"{profile.remote_job_dir}/{_THERE}"
    if not isinstance(said, str):
        raise ProfileError(
            f"'cache.dir' is {said!r}, not a text.", where=str(file), hint="Name a folder."
        )
    return said


def _option(image: str) -> str:
    return f"{_IMAGE_OPTION} {shlex.quote(image)}"
