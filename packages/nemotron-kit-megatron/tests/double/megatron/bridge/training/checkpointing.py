"""Saves as Megatron-Bridge does: what is called, on which rank, and in which order.

The order and the conditions are those of the contract snapshot. The files are those that hooks
look at.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from megatron.bridge.training.callbacks import CallbackContext, CallbackManager, should_fire
from megatron.bridge.training.utils import wandb_utils


class CheckpointType(enum.Enum):
    LOCAL = enum.auto()
    GLOBAL = enum.auto()


class AsyncRequest:
    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []

    def add_finalize_fn(self, call: Callable[[], None]) -> None:
        self._calls.append(call)

    def finalize(self) -> None:
        for call in self._calls:
            call()


def get_rank_safe() -> int:
    return int(os.environ.get("RANK", "0"))


def is_last_rank() -> bool:
    return get_rank_safe() == int(os.environ.get("WORLD_SIZE", "1")) - 1


def save_checkpoint(
    state: Any,
    model: list[Any],
    non_persistent_ckpt: bool = False,  # noqa: FBT001, FBT002 - as the framework has it
    callback_manager: CallbackManager | None = None,
) -> None:
    cfg = state.cfg.checkpoint
    save_dir, ckpt_type = place_of(cfg, for_restart=non_persistent_ckpt)
    step = state.train_state.step
    checkpoint_name = save_dir / f"iter_{step:07d}"
    request = AsyncRequest()
    write_shards(checkpoint_name, state)

    def train_state_finalize_fn() -> None:
        if ckpt_type != CheckpointType.LOCAL:
            settings = as_yaml(state.cfg)
            write_tracker(save_dir, checkpoint_name, step)
            write_config(checkpoint_name, settings)

    def _post_save_global_barrier() -> None:
        state.barrier()

    def wandb_finalize_fn() -> None:
        # Read when it is called: with an asynchronous save this may be a later step.
        later = state.train_state.step
        wandb_utils.on_save_checkpoint_success(
            str(checkpoint_name), str(save_dir), later, wandb_writer=state.wandb_logger
        )

    def fire_callback() -> None:
        context = CallbackContext(state=state, model=model)
        callback_manager.fire("on_checkpoint_save", context)

    if get_rank_safe() == 0:
        request.add_finalize_fn(train_state_finalize_fn)
    request.add_finalize_fn(_post_save_global_barrier)
    if ckpt_type != CheckpointType.LOCAL and is_last_rank():
        request.add_finalize_fn(wandb_finalize_fn)
    if should_fire(callback_manager, "on_checkpoint_save"):
        request.add_finalize_fn(fire_callback)
    hand_over(request, state)
    if ckpt_type != CheckpointType.LOCAL:
        prune(save_dir, cfg.most_recent_k)


def place_of(cfg: Any, *, for_restart: bool) -> tuple[Path, CheckpointType]:
    if not for_restart:
        return Path(cfg.save), CheckpointType.GLOBAL
    folder = Path(cfg.non_persistent_global_ckpt_dir or f"{cfg.save}/non_persistent")
    is_local = cfg.non_persistent_ckpt_type == "local"
    return folder, CheckpointType.LOCAL if is_local else CheckpointType.GLOBAL


def hand_over(request: AsyncRequest, state: Any) -> None:
    if state.cfg.checkpoint.async_save:
        state.pending.append(request)
    else:
        request.finalize()


def write_shards(checkpoint: Path, state: Any) -> None:
    if state.full_disk:
        raise OSError(28, "No space left on device", str(checkpoint))
    checkpoint.mkdir(parents=True, exist_ok=True)
    (checkpoint / f"__{get_rank_safe()}_0.distcp").write_bytes(b"weights")


def write_tracker(save_dir: Path, checkpoint: Path, iteration: int) -> None:
    (checkpoint / ".metadata").write_bytes(b"metadata")
    (save_dir / "latest_checkpointed_iteration.txt").write_text(str(iteration), "utf-8")


def write_config(checkpoint: Path, settings: str) -> None:
    (checkpoint / "run_config.yaml").write_text(settings, "utf-8")


def as_yaml(cfg: Any) -> str:
    return yaml.safe_dump(json.loads(json.dumps(cfg, default=as_plain)))


def as_plain(value: Any) -> Any:
    sections = isinstance(value, SimpleNamespace) or dataclasses.is_dataclass(value)
    return vars(value) if sections else str(value)


def prune(save_dir: Path, keep: int) -> None:
    if get_rank_safe() != 0 or keep < 0:
        return
    for old in sorted(save_dir.glob("iter_*"))[:-keep]:
        shutil.rmtree(old)
