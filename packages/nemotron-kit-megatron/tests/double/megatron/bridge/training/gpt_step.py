"""Stands in for the framework's step: nothing is computed."""

from __future__ import annotations

from typing import Any


def forward_step(state: Any, data_iterator: Any = None, model: Any = None) -> None: ...
