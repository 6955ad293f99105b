"""Weights & Biases, under the name that some documents use for ``nemotron.kit.wandb``."""

# ruff: noqa: PLC0414 - an alias is how a module says that it re-exports a name

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_kit_megatron.patches import (
        patch_checkpoint_logging_both as patch_checkpoint_logging_both,
    )
    from nemotron_kit_megatron.patches import (
        patch_manifest_checkpoint_logging as patch_manifest_checkpoint_logging,
    )
    from nemotron_kit_megatron.patches import (
        patch_wandb_checkpoint_logging as patch_wandb_checkpoint_logging,
    )
    from nemotron_kit_nemorl.patches import (
        patch_manifest_nemo_rl_checkpoint_logging as patch_manifest_nemo_rl_checkpoint_logging,
    )
    from nemotron_kit_nemorl.patches import (
        patch_nemo_rl_checkpoint_logging as patch_nemo_rl_checkpoint_logging,
    )
    from nemotron_kit_nemorl.patches import (
        patch_nemo_rl_checkpoint_logging_both as patch_nemo_rl_checkpoint_logging_both,
    )
    from nemotron_kit_wandb.config import WandbConfig as WandbConfig
    from nemotron_kit_wandb.config import load_wandb_config as load_wandb_config
    from nemotron_kit_wandb.credentials import wandb_env as wandb_env
    from nemotron_kit_wandb.patches import (
        patch_wandb_init_for_lineage as patch_wandb_init_for_lineage,
    )
    from nemotron_kit_wandb.patches import (
        patch_wandb_reference_digests as patch_wandb_reference_digests,
    )
    from nemotron_kit_wandb.patches import (
        patch_wandb_runid_for_seeded_random as patch_wandb_runid_for_seeded_random,
    )
    from nemotron_kit_wandb.run import add_run_tags as add_run_tags
    from nemotron_kit_wandb.run import add_wandb_tags as add_wandb_tags
    from nemotron_kit_wandb.run import finish_run as finish_run
    from nemotron_kit_wandb.run import finish_wandb as finish_wandb
    from nemotron_kit_wandb.run import init_wandb_from_env as init_wandb_from_env
    from nemotron_kit_wandb.run import init_wandb_if_configured as init_wandb_if_configured
    from nemotron_kit_wandb.run import log_wandb_config as log_wandb_config

EXPORTS = {
    "WandbConfig": "nemotron_kit_wandb.config:WandbConfig",
    "add_run_tags": "nemotron_kit_wandb.run:add_run_tags",
    "add_wandb_tags": "nemotron_kit_wandb.run:add_wandb_tags",
    "finish_run": "nemotron_kit_wandb.run:finish_run",
    "finish_wandb": "nemotron_kit_wandb.run:finish_wandb",
    "init_wandb_from_env": "nemotron_kit_wandb.run:init_wandb_from_env",
    "init_wandb_if_configured": "nemotron_kit_wandb.run:init_wandb_if_configured",
    "load_wandb_config": "nemotron_kit_wandb.config:load_wandb_config",
    "log_wandb_config": "nemotron_kit_wandb.run:log_wandb_config",
    "patch_checkpoint_logging_both": "nemotron_kit_megatron.patches:patch_checkpoint_logging_both",
    "patch_manifest_checkpoint_logging": (
        "nemotron_kit_megatron.patches:patch_manifest_checkpoint_logging"
    ),
    "patch_manifest_nemo_rl_checkpoint_logging": (
        "nemotron_kit_nemorl.patches:patch_manifest_nemo_rl_checkpoint_logging"
    ),
    "patch_nemo_rl_checkpoint_logging": (
        "nemotron_kit_nemorl.patches:patch_nemo_rl_checkpoint_logging"
    ),
    "patch_nemo_rl_checkpoint_logging_both": (
        "nemotron_kit_nemorl.patches:patch_nemo_rl_checkpoint_logging_both"
    ),
    "patch_wandb_checkpoint_logging": (
        "nemotron_kit_megatron.patches:patch_wandb_checkpoint_logging"
    ),
    "patch_wandb_init_for_lineage": "nemotron_kit_wandb.patches:patch_wandb_init_for_lineage",
    "patch_wandb_reference_digests": "nemotron_kit_wandb.patches:patch_wandb_reference_digests",
    "patch_wandb_runid_for_seeded_random": (
        "nemotron_kit_wandb.patches:patch_wandb_runid_for_seeded_random"
    ),
    "wandb_env": "nemotron_kit_wandb.credentials:wandb_env",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
