"""Where a submitted job writes: a relative folder lies where its next jobs find it again."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path, PurePath

from omegaconf import DictConfig, OmegaConf, open_dict

from nemo_runspec.config.escaping import escape
from nemo_runspec.execution.profiles import read_profile
from nemo_runspec.runspec import Runspec

OUTPUT_KEY = "output_dir"


@dataclass(frozen=True, slots=True)
class PlacedOutput:
    """A job whose output folder was looked at.

    Attributes:
        job: Its configuration.
        remarks: Sentences on a folder that no other job will find.
    """

    job: DictConfig
    remarks: tuple[str, ...] = ()


def place_output(
    job: DictConfig, train: DictConfig, recipe: Runspec, *, profile: str | None, cwd: Path
) -> PlacedOutput:
    """Let a job write its ``output_dir`` where the next job of its kind looks for it.

    A submitted job starts in a folder of its own, in which a relative path would be another one
    each time, and nothing that was made before would ever be found. One that is started here
    begins in the working directory.

    Args:
        job: The job's configuration; it is not changed.
        train: What its script would see.
        recipe: The recipe.
        profile: The profile that it runs with.
        cwd: The working directory of the command.

    Raises:
        ProfileError: The profile is malformed.
    """
    relative = _relative_output(train)
    if relative is None or profile is None:
        return PlacedOutput(job)
    chosen = read_profile(job, recipe, name=profile)
    if chosen.executor == "local":
        return PlacedOutput(job)
    folder = chosen.common_folder(cwd)
    if folder is None:
        return PlacedOutput(job, (_remark(relative),))
    changed = copy.deepcopy(job)
    with open_dict(changed):
        changed[OUTPUT_KEY] = escape(str(folder / relative))
    return PlacedOutput(changed)


def _remark(relative: PurePath) -> str:
    return (
        f"{OUTPUT_KEY}={relative} lies in the job's own folder, where no other job finds it. Name "
        "a folder that the job's container mounts to use what was prepared before."
    )


def _relative_output(train: DictConfig) -> PurePath | None:
    if OUTPUT_KEY not in train or OmegaConf.is_interpolation(train, OUTPUT_KEY):
        return None
    value = train[OUTPUT_KEY]
    if not isinstance(value, str) or not value or "://" in value or value.startswith("~"):
        return None
    return None if PurePath(value).is_absolute() else PurePath(value)
