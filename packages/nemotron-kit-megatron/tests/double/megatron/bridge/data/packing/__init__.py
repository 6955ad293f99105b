"""Stands in for the packing settings from 0.6 on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class PackedSequenceSpecs:
    packed_sequence_size: int = -1
    packed_train_data_path: str | Path | None = None
    packed_val_data_path: str | Path | None = None
