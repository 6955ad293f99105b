"""Stands in for the dataset settings from 0.6 on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from megatron.bridge.data.packing import PackedSequenceSpecs


@dataclass(kw_only=True)
class GPTSFTDatasetConfig:
    seq_length: int
    dataset_root: str | Path | None = None
    hf_dataset: str | None = None
    enable_offline_packing: bool = False
    offline_packing_specs: PackedSequenceSpecs | None = None
    do_validation: bool = True
    do_test: bool = True
    num_workers: int = 2
