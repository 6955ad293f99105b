"""The few file operations that a manifest store needs, one module per kind of storage."""

from __future__ import annotations

from nemo_runspec.manifest_tracker.files.base import StoreFiles, StoreReport
from nemo_runspec.manifest_tracker.files.opening import open_files

__all__ = ["StoreFiles", "StoreReport", "open_files"]
