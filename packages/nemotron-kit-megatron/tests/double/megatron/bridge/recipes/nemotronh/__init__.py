"""Stands in for the framework's recipes."""

from __future__ import annotations

from typing import Any

from megatron.bridge.data.builders import GPTSFTDatasetConfig
from megatron.bridge.training.config import (
    ConfigContainer,
    FinetuningDatasetConfig,
    GPTDatasetConfig,
    ModelProvider,
)

__all__ = [
    "nemotron_3_nano_pretrain_config",
    "nemotron_3_nano_sft_config",
    "nemotron_3_super_pretrain_config",
    "nemotron_3_super_sft_config",
    "nemotron_earlier_pretrain_config",
    "nemotron_earlier_sft_config",
]

NOT_CALLABLE = 1


def nemotron_3_nano_pretrain_config() -> ConfigContainer:
    return ConfigContainer(model=ModelProvider(), dataset=GPTDatasetConfig())


def nemotron_3_nano_sft_config() -> ConfigContainer:
    dataset = GPTSFTDatasetConfig(seq_length=2048, hf_dataset="squad", num_workers=7)
    return ConfigContainer(model=ModelProvider(seq_length=2048), dataset=dataset)


nemotron_3_super_pretrain_config = nemotron_3_nano_pretrain_config
nemotron_3_super_sft_config = nemotron_3_nano_sft_config


def nemotron_earlier_sft_config() -> ConfigContainer:
    dataset = FinetuningDatasetConfig(seq_length=2048, num_workers=7)
    return ConfigContainer(model=ModelProvider(seq_length=2048), dataset=dataset)


def nemotron_earlier_pretrain_config(
    per_split_data_args_path: str | None = None, **others: Any
) -> ConfigContainer:
    config = nemotron_3_nano_pretrain_config()
    config.dataset.blend = (per_split_data_args_path, others)
    return config
