"""Hooks of Megatron-Bridge as its own callbacks, where the installed version has them.

What each release offers is looked at, never its number: ``pretrain(callbacks=…)`` came before
``finetune(callbacks=…)``, and the event of a saved checkpoint after both. Where something is
missing, a patch takes its place. Callbacks and patches of one tracking record a checkpoint once.

The framework fires its event of a saved checkpoint on every rank and for every kind of checkpoint,
with no path, once the files are whole (an asynchronous save: when it is finalized). So the last
rank looks at what the save directory names as its latest: where that has not changed, what was
saved is one of the checkpoints that are kept for a restart only.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.tracking import ArtifactTrackingResult
from nemo_runspec.errors import ArtifactError
from nemo_runspec.events import CheckpointRecorder
from nemo_runspec.patching import Patch, PatchError
from nemotron_kit_megatron.checkpoints import checkpoint_saved
from nemotron_kit_megatron.patches import (
    PRUNED,
    leave_out_their_own_record,
    record_saves,
    said_once,
)
from nemotron_kit_megatron.ranks import is_last_rank
from nemotron_kit_megatron.saves import TRACKER_FILE, LatestSave, read_latest, read_written
from nemotron_kit_megatron.versions import find_module, refuse_missing

logger = logging.getLogger(__name__)

_CALLBACKS = "megatron.bridge.training.callbacks"
_SAVED = "on_checkpoint_save"
_KEYWORD = "callbacks"


class TrainingCallback:
    """Records what Megatron-Bridge's events tell; passed on as ``callbacks=[…]``.

    Nothing that goes wrong here reaches training.

    Args:
        recorder: Where checkpoints are recorded.
        patches: The patches that stand in for events which the installed version lacks.
    """

    def __init__(self, recorder: CheckpointRecorder, patches: tuple[Patch, ...] = ()) -> None:
        self._recorder = recorder
        self._patches = patches
        self._latest: LatestSave | None = None

    def undo(self) -> None:
        """Take the patches off that were put on with this callback."""
        for patch in self._patches:
            patch.undo()

    def on_train_start(self, context: Any) -> None:
        """Tell the backends that training starts, in the run that the framework has by now."""
        self._guarded(self._start, context)

    def on_train_end(self, context: Any) -> None:
        """Withdraw the versions of checkpoints that were deleted since the last save."""
        self._guarded(self._end, context)

    def _start(self, context: Any) -> None:
        save_dir = _save_dir(context)
        self._latest = None if save_dir is None else read_latest(save_dir)
        self._recorder.training_started()

    def _end(self, _context: Any) -> None:
        self._recorder.sweep(reason=PRUNED)

    def _save(self, context: Any) -> None:
        save_dir = _save_dir(context)
        if save_dir is None:
            return
        saved = self._new(context, save_dir)
        if saved is None:
            said_once(self._recorder)
            return
        self._recorder.emit(checkpoint_saved(saved.path, save_dir, saved.iteration))
        self._recorder.sweep(reason=PRUNED)

    def _new(self, context: Any, save_dir: Path) -> LatestSave | None:
        """What was saved there since the last event; None where it was saved elsewhere."""
        latest = read_latest(save_dir)
        if latest is not None and latest != self._latest:
            self._latest = latest
            return latest
        # A file that the first rank wrote may be seen here later, on a network file system.
        written = read_written(save_dir, int(context.state.train_state.step))
        if written is None and latest is None and not _keeps_some_for_restarts(context):
            raise ArtifactError(
                f"A checkpoint was saved, and the save directory has no {TRACKER_FILE}.",
                where=str(save_dir),
                hint="It is not recorded; import it with 'nemotron FAMILY model import'.",
            )
        return written

    def _guarded(self, handle: Callable[[Any], None], context: Any) -> None:
        try:
            if is_last_rank():
                handle(context)
        except Exception:  # whatever goes wrong here, training goes on
            logger.exception("An event of Megatron-Bridge was not recorded; training goes on.")


class SavingCallback(TrainingCallback):
    """The same, for versions that tell of saved checkpoints."""

    def on_checkpoint_save(self, context: Any) -> None:
        """Record the checkpoint that was saved."""
        self._guarded(self._save, context)


def checkpoint_callbacks(
    tracking: ArtifactTrackingResult | None = None, *, name: str | None = None
) -> list[Any]:
    """Have every checkpoint recorded, and return what to pass as ``callbacks=[…]``.

    Where the installed version has no event of a saved checkpoint, a patch is put on; where it has
    no callbacks at all, the list is empty. Where W&B is active, the framework's own W&B artifact of
    each checkpoint is left out: it would be a second record of the same, without its lineage.

    Args:
        tracking: Where to record; by default the current tracking.
        name: The name to record under; by default the recipe's output name.

    Raises:
        PatchError: Megatron-Bridge is not installed here, or is a version with nothing to hook in.
    """
    refuse_missing()
    recorder = CheckpointRecorder(tracking, name=name)
    _announce(recorder)
    module = find_module(_CALLBACKS)
    if module is None:
        record_saves(name, tracking, ())
        return []
    if _SAVED in module.VALID_EVENTS:
        patches = _quieted(recorder)
        callback: type[TrainingCallback] = SavingCallback
    else:
        patches = (record_saves(name, tracking, ()),)
        callback = TrainingCallback
    # The framework's own class comes last, so that only what is hooked in here overrides it.
    kind = type(callback.__name__, (callback, module.Callback), {})
    return [kind(recorder, patches)]


def training_hooks(
    train: Callable[..., Any],
    tracking: ArtifactTrackingResult | None = None,
    *,
    name: str | None = None,
) -> dict[str, Any]:
    """Have every checkpoint recorded, and return what to call ``pretrain`` or ``finetune`` with.

    ``finetune(config, forward_step, **training_hooks(finetune, tracking))`` works with every
    version: one whose function takes no callbacks gets nothing, and patches do the work.

    Args:
        train: The framework's function.
        tracking: Where to record; by default the current tracking.
        name: The name to record under; by default the recipe's output name.

    Raises:
        PatchError: Megatron-Bridge is not installed here, or is a version with nothing to hook in.
    """
    if _KEYWORD in inspect.signature(train).parameters:
        return {_KEYWORD: checkpoint_callbacks(tracking, name=name)}
    record_saves(name, tracking, ())
    _announce(CheckpointRecorder(tracking, name=name))
    return {}


def _announce(recorder: CheckpointRecorder) -> None:
    """Let backends prepare for the run that the framework is about to start."""
    if recorder.decided and is_last_rank():
        recorder.training_started()


def _quieted(recorder: CheckpointRecorder) -> tuple[Patch, ...]:
    if recorder.decided and not recorder.tracking.wandb:
        return ()
    try:
        return (leave_out_their_own_record(recorder),)
    except PatchError as error:
        logger.info("Megatron-Bridge may log W&B artifacts of its own: %s", error)
        return ()


def _save_dir(context: Any) -> Path | None:
    save = context.state.cfg.checkpoint.save
    return Path(save).absolute() if save else None


def _keeps_some_for_restarts(context: Any) -> bool:
    return bool(getattr(context.state.cfg.checkpoint, "non_persistent_save_interval", None))
