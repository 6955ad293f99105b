"""Stands in for Megatron-Bridge's configuration classes, with a few fields of each."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Optional, Union

from megatron.bridge.data.datasets.packed_sequence import PackedSequenceSpecs


class AttnBackend(enum.Enum):
    flash = 1
    auto = 5


@dataclass
class ModelProvider:
    seq_length: int = 8192
    attention_backend: AttnBackend = AttnBackend.auto
    hidden_dropout: float = 0.0


@dataclass
class TrainingConfig:
    train_iters: int = 1000
    global_batch_size: int | None = None
    manual_gc: bool = False


@dataclass
class CheckpointConfig:
    save: str | None = None
    load: str = None
    save_interval: int | None = None
    pretrained_checkpoint: Optional[str] = None  # noqa: UP045 - as the framework writes it
    ckpt_step: int | None = None
    ckpt_format: Literal["torch_dist", "fsdp_dtensor"] = "torch_dist"


@dataclass
class ProfilingConfig:
    use_nsys: bool = False
    profile_ranks: list[int] = field(default_factory=list)


@dataclass
class SchedulerConfig:
    start: int
    undefined: ThisNameIsNowhere = None  # noqa: F821 - the framework has such annotations


@dataclass
class GPTDatasetConfig:
    seq_length: int = 8192
    blend: Any = None
    blend_per_split: Any = None
    split: str | None = "9999,8,2"
    num_workers: int = 2


@dataclass(kw_only=True)
class FinetuningDatasetConfig:
    """As up to 0.5."""

    dataset_root: Optional[Union[str, Path]] = None  # noqa: UP007, UP045
    seq_length: int
    packed_sequence_specs: Optional[PackedSequenceSpecs] = None  # noqa: UP045
    do_validation: bool = True
    do_test: bool = True
    num_workers: int = 2


@dataclass(kw_only=True)
class ConfigContainer:
    model: ModelProvider
    dataset: Any
    train: TrainingConfig = field(default_factory=TrainingConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    env_vars: dict[str, str] = field(default_factory=dict)
    profiling: ProfilingConfig | None = None
    scheduler: SchedulerConfig | None = None
    comm_overlap: ProfilingConfig | SchedulerConfig | None = None
