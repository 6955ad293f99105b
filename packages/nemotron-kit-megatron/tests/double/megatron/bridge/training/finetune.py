"""Stands in for Megatron-Bridge's fine-tuning, which is its pretraining by another name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from megatron.bridge.training.callbacks import Callback, CallbackManager
from megatron.bridge.training.pretrain import pretrain


def finetune(
    config: Any,
    forward_step_func: Callable[..., Any],
    callbacks: list[Callback] | CallbackManager | None = None,
) -> None:
    pretrain(config, forward_step_func, callbacks=callbacks)


def finetune_of_0_3(config: Any, forward_step_func: Callable[..., Any]) -> None:
    pretrain(config, forward_step_func)
