"""Saves as Megatron-Bridge does: what is called, on which rank, and in which order.

The order is the one of the contract snapshot. The files are those that hooks look at.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from megatron.bridge.training.callbacks import CallbackContext, CallbackManager, should_fire
from megatron.bridge.training.utils import wandb_utils


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def is_last_rank() -> bool:
    return rank() == int(os.environ.get("WORLD_SIZE", "1")) - 1


def save_checkpoint(
    state: Any,
    model: list[Any],
    non_persistent_ckpt: bool = False,  # noqa: FBT001, FBT002 - as the framework has it
    callback_manager: CallbackManager | None = None,
) -> None:
    cfg = state.cfg.checkpoint
    local = non_persistent_ckpt and cfg.non_persistent_ckpt_type == "local"
    save_dir = Path(cfg.save)
    if non_persistent_ckpt:
        save_dir = Path(cfg.non_persistent_global_ckpt_dir or save_dir / "non_persistent")
    iteration = state.train_state.step
    checkpoint = save_dir / f"iter_{iteration:07d}"
    pending: list[Callable[[], None]] = []
    write_shards(checkpoint, state)
    if rank() == 0 and not local:
        pending.append(lambda: write_tracker(save_dir, checkpoint, iteration))
    pending.append(state.barrier)
    if not local and is_last_rank():
        pending.append(
            lambda: wandb_utils.on_save_checkpoint_success(
                str(checkpoint), str(save_dir), state.train_state.step, state.wandb_logger
            )
        )
    if should_fire(callback_manager, "on_checkpoint_save"):
        context = CallbackContext(state=state, model=model)
        pending.append(lambda: callback_manager.fire("on_checkpoint_save", context))
    if cfg.async_save:
        state.pending.append(pending)
    else:
        finalize(pending)
    if rank() == 0 and cfg.most_recent_k > -1 and not local:
        prune(save_dir, cfg.most_recent_k)


def finalize(pending: list[Callable[[], None]]) -> None:
    for call in pending:
        call()


def write_shards(checkpoint: Path, state: Any) -> None:
    if state.full_disk:
        raise OSError(28, "No space left on device", str(checkpoint))
    checkpoint.mkdir(parents=True, exist_ok=True)
    (checkpoint / f"__{rank()}_0.distcp").write_bytes(b"weights")


def write_tracker(save_dir: Path, checkpoint: Path, iteration: int) -> None:
    (checkpoint / ".metadata").write_bytes(b"metadata")
    (save_dir / "latest_checkpointed_iteration.txt").write_text(str(iteration), "utf-8")
    (checkpoint / "run_config.yaml").write_text("checkpoint: {}\n", "utf-8")


def prune(save_dir: Path, keep: int) -> None:
    for old in sorted(save_dir.glob("iter_*"))[:-keep]:
        shutil.rmtree(old)
