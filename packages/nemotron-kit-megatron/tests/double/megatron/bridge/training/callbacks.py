"""Stands in for Megatron-Bridge's callbacks; its names are those of the contract snapshot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

VALID_EVENTS: frozenset[str] = frozenset(
    {
        "on_data_init_start",
        "on_train_start",
        "on_train_step_start",
        "on_train_step_end",
        "on_train_end",
        "on_eval_start",
        "on_eval_step_start",
        "on_eval_step_end",
        "on_eval_end",
        "on_test_start",
        "on_test_step_start",
        "on_test_step_end",
        "on_test_end",
        "on_checkpoint_save",
    }
)


@dataclass
class CallbackContext:
    state: Any
    model: list[Any]
    user_state: dict[str, Any] = field(default_factory=dict)
    optimizer: Any = None


class Callback:
    def on_train_start(self, context: CallbackContext) -> None: ...

    def on_train_end(self, context: CallbackContext) -> None: ...

    def on_checkpoint_save(self, context: CallbackContext) -> None: ...


class CallbackManager:
    def __init__(self) -> None:
        self._callbacks: dict[str, list[Callable[..., None]]] = {name: [] for name in VALID_EVENTS}

    def add(self, callback: Callback | list[Callback]) -> None:
        for each in callback if isinstance(callback, list) else [callback]:
            for name in VALID_EVENTS:
                method = getattr(each, name, None)
                if method is not None and method.__func__ is not getattr(Callback, name, None):
                    self._callbacks[name].append(method)

    def has_callbacks(self, event_name: str) -> bool:
        return bool(self._callbacks.get(event_name))

    def fire(self, event_name: str, context: CallbackContext) -> None:
        for call in self._callbacks[event_name]:
            call(context)


def normalize_callbacks(
    callbacks: list[Callback] | CallbackManager | None,
) -> CallbackManager | None:
    if callbacks is None or isinstance(callbacks, CallbackManager):
        return callbacks
    manager = CallbackManager()
    manager.add(callbacks)
    return manager


def should_fire(callback_manager: CallbackManager | None, event_name: str) -> bool:
    return callback_manager is not None and callback_manager.has_callbacks(event_name)
