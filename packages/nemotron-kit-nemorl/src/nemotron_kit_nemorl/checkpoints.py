"""What NeMo-RL leaves when a checkpoint is whole, as the event that trackers understand."""

from __future__ import annotations

import os
import re
from pathlib import Path

from nemo_runspec.errors import ArtifactError
from nemo_runspec.events import CheckpointSaved
from nemo_runspec.model_formats import nemo_rl_format

FRAMEWORK = "nemo-rl"

_WORKING_NAME = re.compile(r"tmp_(step_(\d+))")


def checkpoint_saved(working_path: str | os.PathLike[str]) -> CheckpointSaved:
    """Build the event for a checkpoint that NeMo-RL moved to its final place.

    NeMo-RL writes into ``tmp_step_N`` and renames that to ``step_N`` when all is there.

    Args:
        working_path: The directory that was written into, ``…/tmp_step_N``.

    Raises:
        ArtifactError: The path has another form, or ``step_N`` does not exist: it was pruned
            at once, or never became whole.
    """
    working = Path(working_path).absolute()
    named = _WORKING_NAME.fullmatch(working.name)
    if named is None:
        raise ArtifactError("A NeMo-RL checkpoint is named tmp_step_N.", where=str(working))
    final = working.with_name(named.group(1))
    if not final.is_dir():
        raise ArtifactError("The finished checkpoint is not there.", where=str(final))
    return CheckpointSaved(
        path=final,
        save_dir=final.parent,
        iteration=int(named.group(2)),
        framework=FRAMEWORK,
        format=nemo_rl_format(final) or "dcp",
    )
