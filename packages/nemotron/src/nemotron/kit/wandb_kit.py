"""Weights & Biases, under the name that some documents use for ``nemotron.kit.wandb``."""

# ruff: noqa: PLC0414 - an alias is how a module says that it re-exports a name

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_kit_megatron import (
        patch_manifest_checkpoint_logging as patch_manifest_checkpoint_logging,
    )
    from nemotron_kit_nemorl import (
        patch_manifest_nemo_rl_checkpoint_logging as patch_manifest_nemo_rl_checkpoint_logging,
    )
    from nemotron_kit_wandb import WandbConfig as WandbConfig
    from nemotron_kit_wandb import add_run_tags as add_run_tags
    from nemotron_kit_wandb import add_wandb_tags as add_wandb_tags
    from nemotron_kit_wandb import finish_run as finish_run
    from nemotron_kit_wandb import finish_wandb as finish_wandb
    from nemotron_kit_wandb import init_wandb_from_env as init_wandb_from_env
    from nemotron_kit_wandb import init_wandb_if_configured as init_wandb_if_configured
    from nemotron_kit_wandb import load_wandb_config as load_wandb_config
    from nemotron_kit_wandb import log_wandb_config as log_wandb_config
    from nemotron_kit_wandb import (
        patch_wandb_runid_for_seeded_random as patch_wandb_runid_for_seeded_random,
    )

EXPORTS = {
    "WandbConfig": "nemotron_kit_wandb:WandbConfig",
    "add_run_tags": "nemotron_kit_wandb:add_run_tags",
    "add_wandb_tags": "nemotron_kit_wandb:add_wandb_tags",
    "finish_run": "nemotron_kit_wandb:finish_run",
    "finish_wandb": "nemotron_kit_wandb:finish_wandb",
    "init_wandb_from_env": "nemotron_kit_wandb:init_wandb_from_env",
    "init_wandb_if_configured": "nemotron_kit_wandb:init_wandb_if_configured",
    "load_wandb_config": "nemotron_kit_wandb:load_wandb_config",
    "log_wandb_config": "nemotron_kit_wandb:log_wandb_config",
    "patch_manifest_checkpoint_logging": "nemotron_kit_megatron:patch_manifest_checkpoint_logging",
    "patch_manifest_nemo_rl_checkpoint_logging": (
        "nemotron_kit_nemorl:patch_manifest_nemo_rl_checkpoint_logging"
    ),
    "patch_wandb_runid_for_seeded_random": "nemotron_kit_wandb:patch_wandb_runid_for_seeded_random",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
