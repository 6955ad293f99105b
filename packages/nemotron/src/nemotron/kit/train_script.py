"""What a training script needs first: its configuration and its W&B run."""

# ruff: noqa: PLC0414 - an alias is how a module says that it re-exports a name

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.config import load_omegaconf_yaml as load_omegaconf_yaml
    from nemo_runspec.config import omegaconf_to_dataclass as omegaconf_to_dataclass
    from nemo_runspec.config import parse_config_and_overrides as parse_config_and_overrides
    from nemo_runspec.config import read_config as read_config
    from nemotron_kit_wandb.run import init_wandb_from_env as init_wandb_from_env

EXPORTS = {
    "init_wandb_from_env": "nemotron_kit_wandb.run:init_wandb_from_env",
    "load_omegaconf_yaml": "nemo_runspec.config:load_omegaconf_yaml",
    "omegaconf_to_dataclass": "nemo_runspec.config:omegaconf_to_dataclass",
    "parse_config_and_overrides": "nemo_runspec.config:parse_config_and_overrides",
    "read_config": "nemo_runspec.config:read_config",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
