"""Patches of NeMo-RL."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import Any, Literal

from nemo_runspec.artifacts.tracking import ArtifactTrackingResult
from nemo_runspec.events import CheckpointRecorder
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

    It is recorded in every backend of the tracking, once, however many of this module's functions
    are called. It works with synchronous and with background finalization. An error while
    recording is logged and never reaches training.

    Args:
        artifact_name: The name to record under; by default the recipe's output name.
        tracking: Where to record; by default the tracking that is current now, and where none is,
            the one that is current when the first checkpoint is finished.

    Returns:
        The patch in place; ``undo()`` takes it off. Calling again changes nothing.

    Raises:
        PatchError: NeMo-RL cannot be imported, or finishes checkpoints in a way unknown here.
    """
    return _patched(artifact_name, tracking, ("manifest",))


def patch_nemo_rl_checkpoint_logging(
    artifact_name: str | None = None, tracking: ArtifactTrackingResult | None = None
) -> Patch:
    """Record as :func:`patch_manifest_nemo_rl_checkpoint_logging`; W&B is expected.

    Args:
        artifact_name: The name to record under; by default the recipe's output name.
        tracking: Where to record; by default the current tracking.

    Returns:
        The patch in place.

    Raises:
        PatchError: NeMo-RL cannot be imported, or finishes checkpoints in a way unknown here.
    """
    return _patched(artifact_name, tracking, ("wandb",))


def patch_nemo_rl_checkpoint_logging_both(
    artifact_name: str | None = None, tracking: ArtifactTrackingResult | None = None
) -> Patch:
    """Record every checkpoint as the other two functions do; both backends are expected.

    Args:
        artifact_name: The name to record under; by default the recipe's output name.
        tracking: Where to record; by default the current tracking.

    Returns:
        The patch in place.

    Raises:
        PatchError: NeMo-RL cannot be imported, or finishes checkpoints in a way unknown here.
    """
    return _patched(artifact_name, tracking, ("manifest", "wandb"))


def _patched(
    name: str | None,
    tracking: ArtifactTrackingResult | None,
    expected: Sequence[Literal["manifest", "wandb"]],
) -> Patch:
    target = first_present(_FINISHING)
    recorder = CheckpointRecorder(tracking, name=name, expected=expected)

    def on_finish(_manager: Any, checkpoint_path: str | os.PathLike[str]) -> None:
        recorder.emit(checkpoint_saved(checkpoint_path))

    patch = Patch("checkpoints as artifacts", target, after(on_finish, logger))
    applied = patch.apply()
    if applied is not patch and name is not None:
        logger.warning("Checkpoints are recorded already; not a second time as %r.", name)
    return applied
