"""Execution profiles and W&B settings of env.toml, and NeMo-Run executors built of them."""

# ruff: noqa: PLC0414 - an alias is how a module says that it re-exports a name

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.env_toml import load_env_profile as load_env_profile
    from nemo_runspec.execution import build_env_vars as build_env_vars
    from nemo_runspec.execution import build_executor as build_executor
    from nemotron_kit_wandb.config import load_wandb_config as load_wandb_config

EXPORTS = {
    "build_env_vars": "nemo_runspec.execution:build_env_vars",
    "build_executor": "nemo_runspec.execution:build_executor",
    "load_env_profile": "nemo_runspec.env_toml:load_env_profile",
    "load_wandb_config": "nemotron_kit_wandb.config:load_wandb_config",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
