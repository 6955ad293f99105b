"""What Megatron-Bridge says about a checkpoint, as the event that trackers understand."""

from __future__ import annotations

import os
import re
from pathlib import Path

from nemo_runspec.events import CheckpointSaved

FRAMEWORK = "megatron-bridge"

_ITERATION = re.compile(r"iter_(\d+)")


def checkpoint_saved(
    checkpoint_path: str | os.PathLike[str],
    save_dir: str | os.PathLike[str],
    iteration: int,
) -> CheckpointSaved:
    """Build the event for a checkpoint that Megatron-Bridge wrote.

    With asynchronous saving the framework can report a later step than it saved, so the
    directory's own name counts: ``iter_0001000`` is step 1000.

    Args:
        checkpoint_path: The directory of this one iteration.
        save_dir: The directory that holds all iterations.
        iteration: The step that the framework reports; used where the directory has another
            name.
    """
    path = Path(checkpoint_path).absolute()
    named = _ITERATION.fullmatch(path.name)
    return CheckpointSaved(
        path=path,
        save_dir=Path(save_dir).absolute(),
        iteration=int(named.group(1)) if named else iteration,
        framework=FRAMEWORK,
        format="megatron",
    )
