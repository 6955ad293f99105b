"""Stands in for the framework's helpers; the two say which forms of a checkpoint it loads."""

from __future__ import annotations


def is_checkpoint_iteration_directory(path: str | None) -> bool:
    return path is not None


def is_hf_checkpoint_dir(path: str | None) -> bool:
    return path is not None
