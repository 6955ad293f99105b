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
    num_layers: int | None = None
    hybrid_layer_pattern: str | None = None
    hidden_size: int = 0
    ffn_hidden_size: int | None = None
    num_attention_heads: int = 1
    kv_channels: int | None = None
    mamba_num_heads: int | None = None
    num_moe_experts: int | None = None
    moe_latent_size: int | None = None
    moe_router_topk: int = 2
    moe_ffn_hidden_size: int | None = None
    moe_shared_expert_intermediate_size: int | None = None
    moe_token_dispatcher_type: Literal["allgather", "alltoall", "flex"] = "allgather"  # noqa: S105
    tensor_model_parallel_size: int = 4
    pipeline_model_parallel_size: int = 1
    expert_model_parallel_size: int = 8
    sequence_parallel: bool = True


@dataclass
class TrainingConfig:
    train_iters: int = 1000
    global_batch_size: int | None = None
    micro_batch_size: int | None = None
    manual_gc: bool = False


@dataclass
class ValidationConfig:
    eval_interval: int | None = 1000
    eval_iters: int = 100


@dataclass
class SchedulerConfig:
    lr_warmup_iters: int = 333


@dataclass
class TokenizerConfig:
    tokenizer_type: str = "HuggingFaceTokenizer"
    tokenizer_model: str | Path | None = "nvidia/a-tokenizer"


@dataclass
class LoggerConfig:
    wandb_project: str | None = None
    wandb_entity: str | None = None


@dataclass
class CheckpointConfig:
    save: str | None = None
    load: str = None
    save_interval: int | None = None
    pretrained_checkpoint: Optional[str] = None  # noqa: UP045 - as the framework writes it
    ckpt_step: int | None = None
    ckpt_format: Literal["torch_dist", "fsdp_dtensor"] = "torch_dist"
    async_save: bool = False
    most_recent_k: int = -1
    non_persistent_ckpt_type: str | None = None
    non_persistent_global_ckpt_dir: str | None = None


@dataclass
class ProfilingConfig:
    use_nsys: bool = False
    profile_ranks: list[int] = field(default_factory=list)


@dataclass
class StragglerConfig:
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
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    scheduler: SchedulerConfig = field(default_factory=SchedulerConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    logger: LoggerConfig = field(default_factory=LoggerConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    env_vars: dict[str, str] = field(default_factory=dict)
    profiling: ProfilingConfig | None = None
    straggler: StragglerConfig | None = None
    comm_overlap: ProfilingConfig | StragglerConfig | None = None
