"""Megatron-Bridge adapter for Nemotron training recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_kit_megatron.callbacks import checkpoint_callbacks as checkpoint_callbacks
    from nemotron_kit_megatron.callbacks import training_hooks as training_hooks
    from nemotron_kit_megatron.checkpoints import checkpoint_saved as checkpoint_saved
    from nemotron_kit_megatron.conversion import MegatronExporter as MegatronExporter
    from nemotron_kit_megatron.loading.models import require_model as require_model
    from nemotron_kit_megatron.loading.recipe import load_recipe as load_recipe
    from nemotron_kit_megatron.loading.recipe import require_framework as require_framework
    from nemotron_kit_megatron.patches import (
        patch_checkpoint_logging_both as patch_checkpoint_logging_both,
    )
    from nemotron_kit_megatron.patches import (
        patch_manifest_checkpoint_logging as patch_manifest_checkpoint_logging,
    )
    from nemotron_kit_megatron.patches import (
        patch_wandb_checkpoint_logging as patch_wandb_checkpoint_logging,
    )

EXPORTS = {
    "MegatronExporter": "nemotron_kit_megatron.conversion:MegatronExporter",
    "checkpoint_callbacks": "nemotron_kit_megatron.callbacks:checkpoint_callbacks",
    "checkpoint_saved": "nemotron_kit_megatron.checkpoints:checkpoint_saved",
    "load_recipe": "nemotron_kit_megatron.loading.recipe:load_recipe",
    "patch_checkpoint_logging_both": (
        "nemotron_kit_megatron.patches:patch_checkpoint_logging_both"
    ),
    "patch_manifest_checkpoint_logging": (
        "nemotron_kit_megatron.patches:patch_manifest_checkpoint_logging"
    ),
    "patch_wandb_checkpoint_logging": (
        "nemotron_kit_megatron.patches:patch_wandb_checkpoint_logging"
    ),
    "require_framework": "nemotron_kit_megatron.loading.recipe:require_framework",
    "require_model": "nemotron_kit_megatron.loading.models:require_model",
    "training_hooks": "nemotron_kit_megatron.callbacks:training_hooks",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
