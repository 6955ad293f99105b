"""What a save directory says of the checkpoints in it."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.errors import ArtifactError

TRACKER_FILE = "latest_checkpointed_iteration.txt"

# Megatron-Bridge keeps such checkpoints there unless it is told another place.
_RESTART_FOLDER = "non_persistent"
_RESTART_SETTING = re.compile(
    r"^ +non_persistent_global_ckpt_dir: *['\"]?(.+?)['\"]? *$", re.MULTILINE
)
_CONFIG_FILE = "run_config.yaml"
_RELEASE = "release"


@dataclass(frozen=True)
class LatestSave:
    """The checkpoint that a save directory names as its last.

    Attributes:
        path: The directory of that iteration.
        iteration: Its step.
        written_ns: When the directory said so, by its own clock; two saves of one iteration
            differ in it.
    """

    path: Path
    iteration: int
    written_ns: int


def read_latest(save_dir: Path) -> LatestSave | None:
    """Read which checkpoint was saved last.

    Args:
        save_dir: The directory that holds all iterations.

    Returns:
        The checkpoint; None where there is none yet, or only a released model without a step.

    Raises:
        ArtifactError: The file that names it holds something else.
    """
    file = save_dir / TRACKER_FILE
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(64).strip()
            written_ns = os.fstat(stream.fileno()).st_mtime_ns
    except FileNotFoundError:
        return None
    if text == _RELEASE:
        return None
    if not text.isascii() or not text.isdigit():
        raise ArtifactError(f"It holds {text!r}, which is no iteration.", where=str(file))
    iteration = int(text)
    return LatestSave(save_dir / f"iter_{iteration:07d}", iteration, written_ns)


def read_written(save_dir: Path, iteration: int) -> LatestSave | None:
    """Look at one iteration's own directory, whatever the save directory names as its last.

    Args:
        save_dir: The directory that holds all iterations.
        iteration: The step.

    Returns:
        The checkpoint; None where it is not there, or not whole: its configuration comes last.
    """
    path = save_dir / f"iter_{iteration:07d}"
    return LatestSave(path, iteration, 0) if (path / _CONFIG_FILE).is_file() else None


def is_for_restart(save_dir: Path, checkpoint: Path) -> bool:
    """Tell whether a checkpoint is kept only until the next one is there.

    Args:
        save_dir: The directory that holds all of its kind.
        checkpoint: Its own directory, with the configuration that it was saved under.
    """
    if save_dir.name == _RESTART_FOLDER:
        return True
    try:
        text = (checkpoint / _CONFIG_FILE).read_text("utf-8", errors="replace")
    except OSError:
        return False
    named = _RESTART_SETTING.search(text)
    return named is not None and Path(named.group(1)).absolute() == save_dir.absolute()
