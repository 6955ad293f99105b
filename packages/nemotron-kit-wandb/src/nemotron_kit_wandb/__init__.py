"""Weights & Biases adapter for Nemotron training recipes.

Importing this package does not import wandb; the functions that need it do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_kit_wandb.access import check_wandb_access as check_wandb_access
    from nemotron_kit_wandb.config import WandbConfig as WandbConfig
    from nemotron_kit_wandb.config import load_wandb_config as load_wandb_config
    from nemotron_kit_wandb.credentials import ApiKey as ApiKey
    from nemotron_kit_wandb.credentials import WandbCredentialsError as WandbCredentialsError
    from nemotron_kit_wandb.credentials import find_api_key as find_api_key
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
    from nemotron_kit_wandb.starting import WandbRunError as WandbRunError

EXPORTS = {
    "ApiKey": "nemotron_kit_wandb.credentials:ApiKey",
    "WandbConfig": "nemotron_kit_wandb.config:WandbConfig",
    "WandbCredentialsError": "nemotron_kit_wandb.credentials:WandbCredentialsError",
    "WandbRunError": "nemotron_kit_wandb.starting:WandbRunError",
    "add_run_tags": "nemotron_kit_wandb.run:add_run_tags",
    "add_wandb_tags": "nemotron_kit_wandb.run:add_wandb_tags",
    "check_wandb_access": "nemotron_kit_wandb.access:check_wandb_access",
    "find_api_key": "nemotron_kit_wandb.credentials:find_api_key",
    "finish_run": "nemotron_kit_wandb.run:finish_run",
    "finish_wandb": "nemotron_kit_wandb.run:finish_wandb",
    "init_wandb_from_env": "nemotron_kit_wandb.run:init_wandb_from_env",
    "init_wandb_if_configured": "nemotron_kit_wandb.run:init_wandb_if_configured",
    "load_wandb_config": "nemotron_kit_wandb.config:load_wandb_config",
    "log_wandb_config": "nemotron_kit_wandb.run:log_wandb_config",
    "patch_wandb_init_for_lineage": "nemotron_kit_wandb.patches:patch_wandb_init_for_lineage",
    "patch_wandb_reference_digests": "nemotron_kit_wandb.patches:patch_wandb_reference_digests",
    "patch_wandb_runid_for_seeded_random": (
        "nemotron_kit_wandb.patches:patch_wandb_runid_for_seeded_random"
    ),
    "wandb_env": "nemotron_kit_wandb.credentials:wandb_env",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
