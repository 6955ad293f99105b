"""Each way in which a checkpoint gets recorded: a hook put on, and a job of its framework."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from nemotron_kit_megatron import (
    checkpoint_callbacks,
    patch_checkpoint_logging_both,
    patch_manifest_checkpoint_logging,
    patch_wandb_checkpoint_logging,
)
from nemotron_kit_nemorl import patch_nemo_rl_checkpoint_logging_both

PACKAGES = Path(__file__).parents[2] / "packages"
DOUBLES = [
    PACKAGES / f"nemotron-kit-{name}" / "tests" / "double" for name in ("megatron", "nemorl")
]


class Job(Protocol):
    """A training job that saves."""

    def save(self, step: int) -> None:
        """Save at once."""

    def save_later(self, step: int) -> None:
        """Save while training goes on; :meth:`wait` ends it, some steps later."""

    def wait(self) -> None:
        """Wait for what is being saved."""

    def fail(self, step: int) -> None:
        """Save, and run out of disk; raises what the framework raises."""

    def undo(self) -> None:
        """Take the hooks off."""


class MegatronJob:
    """Megatron-Bridge's calls around a save."""

    def __init__(self, folder: Path, put_on: Callable[[], list[Any]], barrier: Any) -> None:
        self._saving = importlib.import_module("megatron.bridge.training.checkpointing")
        callbacks = importlib.import_module("megatron.bridge.training.callbacks")
        self._hooks = put_on()
        ours = [hook for hook in self._hooks if isinstance(hook, callbacks.Callback)]
        self._manager = callbacks.normalize_callbacks(ours)
        self._settings = SimpleNamespace(
            save=str(folder),
            non_persistent_ckpt_type="local",
            non_persistent_global_ckpt_dir=None,
            non_persistent_save_interval=1,
            most_recent_k=-1,
            async_save=False,
        )
        self.state: Any = SimpleNamespace(
            cfg=SimpleNamespace(checkpoint=self._settings),
            train_state=SimpleNamespace(step=0),
            wandb_logger=None,
            full_disk=False,
            barrier=barrier,
            pending=[],
        )
        context = callbacks.CallbackContext(state=self.state, model=[])
        self._manager.fire("on_train_start", context)

    def save(self, step: int, *, for_restart: bool = False) -> None:
        self.state.train_state.step = step
        self._saving.save_checkpoint(
            self.state, [], non_persistent_ckpt=for_restart, callback_manager=self._manager
        )

    def save_later(self, step: int) -> None:
        self._settings.async_save = True
        self.save(step)

    def wait(self) -> None:
        self.state.train_state.step += 3
        while self.state.pending:
            self.state.pending.pop(0).finalize()

    def fail(self, step: int) -> None:
        self.state.full_disk = True
        try:
            self.save(step)
        finally:
            self.state.full_disk = False

    def undo(self) -> None:
        for hook in self._hooks:
            hook.undo()


class NemoRlJob:
    """NeMo-RL's calls around a save, of the release that has this manager."""

    def __init__(self, folder: Path, manager: str, barrier: Any) -> None:
        module: Any = importlib.import_module("nemo_rl.utils.checkpoint")
        # A class of its own: the hook is put on the class, whose other jobs shall not have it.
        kind = type("CheckpointManager", (getattr(module, manager),), {})
        module.CheckpointManager, before = kind, module.CheckpointManager
        self._patch = patch_nemo_rl_checkpoint_logging_both()
        module.CheckpointManager = before
        self._manager = kind({"checkpoint_dir": str(folder)})
        self._barrier = barrier

    def save(self, step: int) -> None:
        working = self._manager.init_tmp_checkpoint(step, {})
        self._manager.finalize_checkpoint(working)

    def save_later(self, step: int) -> None:
        working = self._manager.init_tmp_checkpoint(step, {})
        self._manager.begin_finalization(working, wait_fn=self._barrier)

    def wait(self) -> None:
        self._manager.shutdown()

    def fail(self, step: int) -> None:
        working = self._manager.init_tmp_checkpoint(step, {})
        (working / "training_info.json").unlink()
        (working / "policy" / "weights").rmdir()
        (working / "policy").rmdir()
        working.rmdir()
        self._manager.finalize_checkpoint(working)

    def undo(self) -> None:
        self._patch.undo()


def of_megatron(put_on: Callable[[], list[Any]]) -> Callable[..., Job]:
    return lambda folder, barrier=lambda: None: MegatronJob(folder, put_on, barrier)


def of_nemo_rl(manager: str) -> Callable[..., Job]:
    return lambda folder, barrier=lambda: None: NemoRlJob(folder, manager, barrier)


MEGATRON: dict[str, Callable[..., Any]] = {
    "Megatron-Bridge, callback": of_megatron(checkpoint_callbacks),
    "Megatron-Bridge, patch for manifests": of_megatron(
        lambda: [patch_manifest_checkpoint_logging()]
    ),
    "Megatron-Bridge, patch for W&B": of_megatron(lambda: [patch_wandb_checkpoint_logging()]),
    "Megatron-Bridge, patch for both": of_megatron(lambda: [patch_checkpoint_logging_both()]),
}
NEMO_RL: dict[str, Callable[..., Any]] = {
    "NeMo-RL, _rename_checkpoint": of_nemo_rl("CheckpointManager"),
    "NeMo-RL, finalize_checkpoint": of_nemo_rl("EarlierCheckpointManager"),
}
MECHANISMS = {**MEGATRON, **NEMO_RL}
# Releases that call finalize_checkpoint have no background saves.
IN_BACKGROUND = [name for name in MECHANISMS if name != "NeMo-RL, finalize_checkpoint"]


@contextmanager
def frameworks() -> Iterator[None]:
    """Make both frameworks' doubles importable; afterwards nothing of them is left."""
    before = list(sys.path)
    sys.path[:0] = map(str, DOUBLES)
    try:
        yield
    finally:
        sys.path[:] = before
        for name in [
            name for name in sys.modules if name.partition(".")[0] in ("megatron", "nemo_rl")
        ]:
            del sys.modules[name]


def steps(tracking: Any, name: str = "model") -> list[int]:
    """The steps that the manifests of a name have."""
    tracker = tracking.manifest_tracker
    return [tracker.read(name, version).fields["step"] for version in tracker.versions(name)]
