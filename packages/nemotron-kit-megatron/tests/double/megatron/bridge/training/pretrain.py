"""Stands in for Megatron-Bridge's training loop: steps that do nothing, and saves."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from megatron.bridge.training.callbacks import (
    Callback,
    CallbackContext,
    CallbackManager,
    normalize_callbacks,
    should_fire,
)
from megatron.bridge.training.checkpointing import save_checkpoint


def pretrain(
    config: Any,
    forward_step_func: Callable[..., Any],
    callbacks: list[Callback] | CallbackManager | None = None,
) -> None:
    manager = normalize_callbacks(callbacks)
    state = SimpleNamespace(
        cfg=config,
        train_state=SimpleNamespace(step=config.start),
        wandb_logger=config.wandb_logger,
        full_disk=False,
        barrier=config.barrier,
        pending=[],
    )
    fire(manager, "on_train_start", state)
    for _ in range(config.train.train_iters):
        state.train_state.step += 1
        forward_step_func(state)
        for async_save in state.pending[:-1]:
            async_save.finalize()
        del state.pending[:-1]
        if state.train_state.step % config.checkpoint.save_interval == 0:
            save_checkpoint(state, [], callback_manager=manager)
        elif state.train_state.step in config.checkpoint.restart_points:
            save_checkpoint(state, [], non_persistent_ckpt=True, callback_manager=manager)
    for async_save in state.pending:
        async_save.finalize()
    fire(manager, "on_train_end", state)


def fire(manager: CallbackManager | None, event: str, state: Any) -> None:
    if should_fire(manager, event):
        manager.fire(event, CallbackContext(state=state, model=[]))
