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
from megatron.bridge.training.checkpointing import is_last_rank, save_checkpoint


def pretrain(
    config: Any,
    forward_step_func: Callable[..., Any],
    callbacks: list[Callback] | CallbackManager | None = None,
) -> None:
    manager = normalize_callbacks(callbacks)
    state = SimpleNamespace(
        cfg=config,
        train_state=SimpleNamespace(step=getattr(config, "start", 0)),
        wandb_logger=getattr(config, "wandb_logger", None) or start_wandb(config),
        full_disk=False,
        barrier=getattr(config, "barrier", lambda: None),
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
        elif state.train_state.step in getattr(config.checkpoint, "restart_points", ()):
            save_checkpoint(state, [], non_persistent_ckpt=True, callback_manager=manager)
    for async_save in state.pending:
        async_save.finalize()
    fire(manager, "on_train_end", state)
    if hasattr(config, "logger") and state.wandb_logger is not None:
        state.wandb_logger.finish()


def start_wandb(config: Any) -> Any:
    """The framework's own run: only now, on the last rank, where a project is named."""
    logger = getattr(config, "logger", None)
    if logger is None or not logger.wandb_project or not is_last_rank():
        return None
    import wandb

    wandb.init(project=logger.wandb_project, entity=logger.wandb_entity)
    return wandb


def fire(manager: CallbackManager | None, event: str, state: Any) -> None:
    if should_fire(manager, event):
        manager.fire(event, CallbackContext(state=state, model=[]))
