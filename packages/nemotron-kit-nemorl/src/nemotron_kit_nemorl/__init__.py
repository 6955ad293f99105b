"""NeMo-RL adapter for Nemotron training recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemotron_kit_nemorl.checkpoints import checkpoint_saved as checkpoint_saved
    from nemotron_kit_nemorl.config import load_config as load_config
    from nemotron_kit_nemorl.config import make_master_config as make_master_config
    from nemotron_kit_nemorl.config import resolve_config as resolve_config
    from nemotron_kit_nemorl.conversion import DcpExporter as DcpExporter
    from nemotron_kit_nemorl.drivers import run_driver as run_driver
    from nemotron_kit_nemorl.patches import (
        patch_manifest_nemo_rl_checkpoint_logging as patch_manifest_nemo_rl_checkpoint_logging,
    )
    from nemotron_kit_nemorl.patches import (
        patch_nemo_rl_checkpoint_logging as patch_nemo_rl_checkpoint_logging,
    )
    from nemotron_kit_nemorl.patches import (
        patch_nemo_rl_checkpoint_logging_both as patch_nemo_rl_checkpoint_logging_both,
    )
    from nemotron_kit_nemorl.resolvers import register_resolvers as register_resolvers
    from nemotron_kit_nemorl.resolvers import release_resolvers as release_resolvers
    from nemotron_kit_nemorl.settings import driver_settings as driver_settings
    from nemotron_kit_nemorl.training import record_checkpoints as record_checkpoints
    from nemotron_kit_nemorl.training import start_training as start_training
    from nemotron_kit_nemorl.training import write_settings as write_settings
    from nemotron_kit_nemorl.versions import require_framework as require_framework

EXPORTS = {
    "DcpExporter": "nemotron_kit_nemorl.conversion:DcpExporter",
    "checkpoint_saved": "nemotron_kit_nemorl.checkpoints:checkpoint_saved",
    "driver_settings": "nemotron_kit_nemorl.settings:driver_settings",
    "load_config": "nemotron_kit_nemorl.config:load_config",
    "make_master_config": "nemotron_kit_nemorl.config:make_master_config",
    "resolve_config": "nemotron_kit_nemorl.config:resolve_config",
    "run_driver": "nemotron_kit_nemorl.drivers:run_driver",
    "record_checkpoints": "nemotron_kit_nemorl.training:record_checkpoints",
    "register_resolvers": "nemotron_kit_nemorl.resolvers:register_resolvers",
    "release_resolvers": "nemotron_kit_nemorl.resolvers:release_resolvers",
    "require_framework": "nemotron_kit_nemorl.versions:require_framework",
    "start_training": "nemotron_kit_nemorl.training:start_training",
    "write_settings": "nemotron_kit_nemorl.training:write_settings",
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
