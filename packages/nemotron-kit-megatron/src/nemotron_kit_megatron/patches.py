"""Patches of Megatron-Bridge."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from nemo_runspec.artifacts.tracking import ArtifactTrackingResult
from nemo_runspec.events import CheckpointRecorder
from nemo_runspec.patching import Patch, PatchError, after
from nemotron_kit_megatron.checkpoints import checkpoint_saved
from nemotron_kit_megatron.saves import is_for_restart
from nemotron_kit_megatron.versions import WORKS, described, refuse_missing

logger = logging.getLogger(__name__)

PRUNED = "Its checkpoint was deleted while the job ran (checkpoint.most_recent_k deletes old ones)."

# No checkpoint has this path: what is said of all of them is claimed under it.
_FOR_RESTARTS = Path("non_persistent")
_ON_SAVE = "megatron.bridge.training.utils.wandb_utils:on_save_checkpoint_success"


def patch_manifest_checkpoint_logging(
    artifact_name: str | None = None, tracking: ArtifactTrackingResult | None = None
) -> Patch:
    """Record every checkpoint that Megatron-Bridge saves as a version of a model artifact.

    It is recorded in every backend of the tracking, once, however many of this module's functions
    are called. The framework calls its hook on the last rank, with W&B or without. An error while
    recording is logged and never reaches training.

    Args:
        artifact_name: The name to record under; by default the recipe's output name.
        tracking: Where to record; by default the tracking that is current now, and where none is,
            the one that is current when the first checkpoint is saved.

    Returns:
        The patch in place; ``undo()`` takes it off. Calling again changes nothing.

    Raises:
        PatchError: Megatron-Bridge cannot be imported, or has no such hook.
    """
    return record_saves(artifact_name, tracking, ("manifest",))


def patch_wandb_checkpoint_logging(
    artifact_name: str | None = None, tracking: ArtifactTrackingResult | None = None
) -> Patch:
    """Record every checkpoint as :func:`patch_manifest_checkpoint_logging`; W&B is expected.

    Where the tracking has W&B, the framework's own W&B artifact of the checkpoint is left out: it
    would be a second record of the same, without its lineage.

    Args:
        artifact_name: The name to record under; by default the recipe's output name.
        tracking: Where to record; by default the current tracking.

    Returns:
        The patch in place.

    Raises:
        PatchError: Megatron-Bridge cannot be imported, or has no such hook.
    """
    return record_saves(artifact_name, tracking, ("wandb",))


def patch_checkpoint_logging_both(
    artifact_name: str | None = None, tracking: ArtifactTrackingResult | None = None
) -> Patch:
    """Record every checkpoint as the other two functions do; both backends are expected.

    Args:
        artifact_name: The name to record under; by default the recipe's output name.
        tracking: Where to record; by default the current tracking.

    Returns:
        The patch in place.

    Raises:
        PatchError: Megatron-Bridge cannot be imported, or has no such hook.
    """
    return record_saves(artifact_name, tracking, ("manifest", "wandb"))


def record_saves(
    name: str | None,
    tracking: ArtifactTrackingResult | None,
    expected: Sequence[Literal["manifest", "wandb"]],
) -> Patch:
    """Put the patch on that records each save; the functions above with their parts spelt out.

    Args:
        name: The name to record under; None for the recipe's output name.
        tracking: Where to record; None for the current tracking.
        expected: Backends that the caller counts on.

    Raises:
        PatchError: Megatron-Bridge cannot be imported, or has no such hook.
    """
    recorder = CheckpointRecorder(tracking, name=name, expected=expected)

    def on_save(
        checkpoint_path: str, save_dir: str, iteration: int, *_args: Any, **_kwargs: Any
    ) -> None:
        if is_for_restart(Path(save_dir), Path(checkpoint_path)):
            said_once(recorder)
            return
        recorder.emit(checkpoint_saved(checkpoint_path, save_dir, iteration))
        recorder.sweep(reason=PRUNED)

    def build(original: Callable[..., Any]) -> Callable[..., Any]:
        return after(on_save, logger)(_without_its_own_record(original, recorder))

    patch = Patch("checkpoints as artifacts", _ON_SAVE, build)
    applied = _applied(patch)
    if applied is not patch and name is not None:
        logger.warning("Checkpoints are recorded already; not a second time as %r.", name)
    return applied


def leave_out_their_own_record(recorder: CheckpointRecorder) -> Patch:
    """Put the patch on that only keeps the framework's own W&B artifacts away.

    Args:
        recorder: What records in their place.

    Raises:
        PatchError: Megatron-Bridge cannot be imported, or has no such hook.
    """
    return Patch(
        "no W&B artifacts of the framework's own",
        _ON_SAVE,
        lambda original: _without_its_own_record(original, recorder),
    ).apply()


def said_once(recorder: CheckpointRecorder) -> None:
    """Say, once for each tracking, that a checkpoint for restarts is no artifact."""
    if recorder.tracking.checkpoints.claim(_FOR_RESTARTS):
        logger.warning(
            "Checkpoints that are kept for a restart only (checkpoint.non_persistent_ckpt_type) "
            "are not recorded: the next one replaces them."
        )


def _applied(patch: Patch) -> Patch:
    try:
        return patch.apply()
    except PatchError as error:
        refuse_missing()
        raise PatchError(error.what, where=described(), hint=WORKS) from error


def _without_its_own_record(
    original: Callable[..., Any], recorder: CheckpointRecorder
) -> Callable[..., Any]:
    """Keep the framework from logging an artifact of its own where W&B gets ours.

    Its call would also wait on this thread for a server that is down.
    """

    @functools.wraps(original)
    def on_save_checkpoint_success(
        checkpoint_path: str,
        save_dir: str,
        iteration: int,
        wandb_writer: Any = None,
        **others: Any,
    ) -> Any:
        writer = None if recorder.tracking.wandb else wandb_writer
        return original(checkpoint_path, save_dir, iteration, writer, **others)

    return on_save_checkpoint_success
