"""Patches of Megatron-Bridge."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from nemo_runspec.artifacts.tracking import ArtifactTrackingResult, current_tracking
from nemo_runspec.events import CheckpointDispatcher, record_checkpoint
from nemo_runspec.patching import Patch, after
from nemotron_kit_megatron.checkpoints import checkpoint_saved

logger = logging.getLogger(__name__)

_ON_SAVE = "megatron.bridge.training.utils.wandb_utils:on_save_checkpoint_success"


def patch_manifest_checkpoint_logging(
    artifact_name: str | None = None, tracking: ArtifactTrackingResult | None = None
) -> Patch:
    """Record every checkpoint that Megatron-Bridge saves as a version of a model artifact.

    The framework calls its hook on the last rank, with W&B or without. An error while recording
    is logged and never reaches training; a checkpoint that is reported twice is recorded once.

    Args:
        artifact_name: The name to record under; by default the recipe's output name.
        tracking: Where to record; by default the tracking that is current now.

    Returns:
        The patch in place; ``undo()`` takes it off. Calling again changes nothing.

    Raises:
        PatchError: Megatron-Bridge cannot be imported, or has no such hook.
    """
    destination = current_tracking() if tracking is None else tracking
    handler = partial(record_checkpoint, tracking=destination, name=artifact_name)
    checkpoints = CheckpointDispatcher([handler])

    def on_save(
        checkpoint_path: str, save_dir: str, iteration: int, *_args: Any, **_kwargs: Any
    ) -> None:
        checkpoints.emit(checkpoint_saved(checkpoint_path, save_dir, iteration))

    return Patch("checkpoints as manifests", _ON_SAVE, after(on_save, logger)).apply()
