"""Patches of NeMo-RL."""

from __future__ import annotations

import logging
import os
from functools import partial
from typing import Any

from nemo_runspec.artifacts.tracking import ArtifactTrackingResult, current_tracking
from nemo_runspec.events import CheckpointDispatcher, record_checkpoint
from nemo_runspec.patching import Patch, after, first_present
from nemotron_kit_nemorl.checkpoints import checkpoint_saved

logger = logging.getLogger(__name__)

# Later versions rename in a background thread and never call finalize_checkpoint; earlier ones
# have nothing else.
_FINISHING = (
    "nemo_rl.utils.checkpoint:CheckpointManager._rename_checkpoint",
    "nemo_rl.utils.checkpoint:CheckpointManager.finalize_checkpoint",
)


def patch_manifest_nemo_rl_checkpoint_logging(
    artifact_name: str | None = None, tracking: ArtifactTrackingResult | None = None
) -> Patch:
    """Record every checkpoint that NeMo-RL finishes as a version of a model artifact.

    It works with synchronous and with background finalization. An error while recording is
    logged and never reaches training; a checkpoint that is finished twice is recorded once.

    Args:
        artifact_name: The name to record under; by default the recipe's output name.
        tracking: Where to record; by default the tracking that is current now.

    Returns:
        The patch in place; ``undo()`` takes it off. Calling again changes nothing.

    Raises:
        PatchError: NeMo-RL cannot be imported, or finishes checkpoints in a way unknown here.
    """
    target = first_present(_FINISHING)
    destination = current_tracking() if tracking is None else tracking
    handler = partial(record_checkpoint, tracking=destination, name=artifact_name)
    checkpoints = CheckpointDispatcher([handler])

    def on_finish(_manager: Any, checkpoint_path: str | os.PathLike[str]) -> None:
        checkpoints.emit(checkpoint_saved(checkpoint_path))

    return Patch("checkpoints as manifests", target, after(on_finish, logger)).apply()
