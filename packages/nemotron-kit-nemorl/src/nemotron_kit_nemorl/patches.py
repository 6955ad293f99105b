"""Patches of NeMo-RL."""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from nemo_runspec.artifacts.tracking import ArtifactTrackingResult
from nemo_runspec.events import CheckpointRecorder
from nemo_runspec.patching import Patch, PatchError, after, first_present
from nemotron_kit_nemorl.checkpoints import checkpoint_saved
from nemotron_kit_nemorl.versions import WORKS, is_installed

logger = logging.getLogger(__name__)

# Later versions rename in a background thread and never call finalize_checkpoint; earlier ones
# have nothing else.
_FINISHING = (
    "nemo_rl.utils.checkpoint:CheckpointManager._rename_checkpoint",
    "nemo_rl.utils.checkpoint:CheckpointManager.finalize_checkpoint",
)
_PRUNING = "nemo_rl.utils.checkpoint:CheckpointManager.remove_old_checkpoints"

PRUNED = "NeMo-RL deleted the checkpoint (checkpointing.keep_top_k, ft_keep_latest_k)."


def patch_manifest_nemo_rl_checkpoint_logging(
    artifact_name: str | None = None, tracking: ArtifactTrackingResult | None = None
) -> Patch:
    """Record every checkpoint that NeMo-RL finishes as a version of a model artifact.

    It is recorded in every backend of the tracking, once, however many of this module's functions
    are called. It works with synchronous and with background finalization. The version of a
    checkpoint that NeMo-RL deletes later, by ``keep_top_k``, is withdrawn with the reason, so that
    no reference leads to what is gone. An error while recording is logged and never reaches
    training.

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


@dataclass(eq=False)
class CheckpointPatch(Patch):
    """The patch of finished checkpoints, and that of deleted ones.

    Attributes:
        recorder: What both tell.
        pruning: The other patch, put on and taken off with this one; None where the installed
            version deletes in a way unknown here.
    """

    recorder: CheckpointRecorder = field(default_factory=CheckpointRecorder)
    pruning: Patch | None = None

    def apply(self) -> Patch:
        """Put both in place, unless they are already."""
        applied = super().apply()
        if applied is self:
            self.pruning = _pruning_patch(self.recorder)
        return applied

    def undo(self) -> None:
        """Put back what was found."""
        if self.pruning is not None:
            self.pruning.undo()
        super().undo()


def _patched(
    name: str | None,
    tracking: ArtifactTrackingResult | None,
    expected: Sequence[Literal["manifest", "wandb"]],
) -> Patch:
    target = _target()
    recorder = CheckpointRecorder(tracking, name=name, expected=expected)

    def on_finish(_manager: Any, checkpoint_path: str | os.PathLike[str]) -> None:
        recorder.emit(checkpoint_saved(checkpoint_path))

    build = after(on_finish, logger)
    patch = CheckpointPatch("checkpoints as artifacts", target, build, recorder=recorder)
    applied = patch.apply()
    if applied is not patch and name is not None:
        logger.warning("Checkpoints are recorded already; not a second time as %r.", name)
    return applied


def _target() -> str:
    try:
        return first_present(_FINISHING)
    except PatchError as error:
        if not is_installed():
            raise
        raise PatchError(error.what, where="NeMo-RL", hint=WORKS) from error


def _pruning_patch(recorder: CheckpointRecorder) -> Patch | None:
    def build(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def remove_old_checkpoints(self: Any, *args: Any, **kwargs: Any) -> Any:
            before = _finished(self)
            try:
                return original(self, *args, **kwargs)
            finally:
                for path in before:
                    if not path.exists():
                        recorder.removed(path, reason=PRUNED)

        return remove_old_checkpoints

    try:
        return Patch("versions of deleted checkpoints", _PRUNING, build).apply()
    except PatchError as error:
        logger.warning("Versions of checkpoints that NeMo-RL deletes stay in use: %s", error)
        return None


def _finished(manager: Any) -> list[Path]:
    try:
        folder = Path(manager.checkpoint_dir).absolute()
        return [path for path in folder.glob("step_*") if path.is_dir()]
    except (AttributeError, OSError, TypeError) as error:
        logger.warning("It is not known which checkpoints NeMo-RL has: %r", error)
        return []
