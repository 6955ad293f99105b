"""Stands in for the packing settings as up to 0.5."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class PackedSequenceSpecs:
    packed_sequence_size: int = -1
    packed_train_data_path: str = None
    packed_val_data_path: str = None
