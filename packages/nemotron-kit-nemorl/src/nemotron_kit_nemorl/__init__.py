"""NeMo-RL adapter for Nemotron training recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_kit_nemorl.checkpoints import checkpoint_saved as checkpoint_saved
    from nemotron_kit_nemorl.patches import (
        patch_manifest_nemo_rl_checkpoint_logging as patch_manifest_nemo_rl_checkpoint_logging,
    )
    from nemotron_kit_nemorl.patches import (
        patch_nemo_rl_checkpoint_logging as patch_nemo_rl_checkpoint_logging,
    )
    from nemotron_kit_nemorl.patches import (
        patch_nemo_rl_checkpoint_logging_both as patch_nemo_rl_checkpoint_logging_both,
    )

EXPORTS = {
    "checkpoint_saved": "nemotron_kit_nemorl.checkpoints:checkpoint_saved",
    "patch_manifest_nemo_rl_checkpoint_logging": (
        "nemotron_kit_nemorl.patches:patch_manifest_nemo_rl_checkpoint_logging"
    ),
    "patch_nemo_rl_checkpoint_logging": (
        "nemotron_kit_nemorl.patches:patch_nemo_rl_checkpoint_logging"
    ),
    "patch_nemo_rl_checkpoint_logging_both": (
        "nemotron_kit_nemorl.patches:patch_nemo_rl_checkpoint_logging_both"
    ),
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
