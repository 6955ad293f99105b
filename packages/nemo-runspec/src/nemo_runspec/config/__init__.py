"""Configuration: files, composition, overrides, typed results, and the configs of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.config.arguments import (
        parse_config_and_overrides as parse_config_and_overrides,
    )
    from nemo_runspec.config.compose import find_config as find_config
    from nemo_runspec.config.compose import load_omegaconf_yaml as load_omegaconf_yaml
    from nemo_runspec.config.files import load_config_file as load_config_file
    from nemo_runspec.config.job import build_job_config as build_job_config
    from nemo_runspec.config.job import config_digest as config_digest
    from nemo_runspec.config.listing import list_configs as list_configs
    from nemo_runspec.config.overrides import apply_hydra_overrides as apply_hydra_overrides
    from nemo_runspec.config.saving import save_configs as save_configs
    from nemo_runspec.config.script_cli import cli as cli
    from nemo_runspec.config.script_cli import read_config as read_config
    from nemo_runspec.config.secrets import redact as redact
    from nemo_runspec.config.train import extract_train_config as extract_train_config
    from nemo_runspec.config.typed import omegaconf_to_dataclass as omegaconf_to_dataclass
    from nemo_runspec.env_toml import find_env_toml as find_env_toml
    from nemo_runspec.env_toml import load_env_profile as load_env_profile
    from nemo_runspec.env_toml import load_env_toml as load_env_toml
    from nemo_runspec.env_toml import load_wandb_settings as load_wandb_settings
    from nemo_runspec.redaction import redact_text as redact_text

EXPORTS = {
    "apply_hydra_overrides": "nemo_runspec.config.overrides:apply_hydra_overrides",
    "build_job_config": "nemo_runspec.config.job:build_job_config",
    "cli": "nemo_runspec.config.script_cli:cli",
    "config_digest": "nemo_runspec.config.job:config_digest",
    "extract_train_config": "nemo_runspec.config.train:extract_train_config",
    "find_config": "nemo_runspec.config.compose:find_config",
    "find_env_toml": "nemo_runspec.env_toml:find_env_toml",
    "list_configs": "nemo_runspec.config.listing:list_configs",
    "load_config_file": "nemo_runspec.config.files:load_config_file",
    "load_env_profile": "nemo_runspec.env_toml:load_env_profile",
    "load_env_toml": "nemo_runspec.env_toml:load_env_toml",
    "load_omegaconf_yaml": "nemo_runspec.config.compose:load_omegaconf_yaml",
    "load_wandb_settings": "nemo_runspec.env_toml:load_wandb_settings",
    "omegaconf_to_dataclass": "nemo_runspec.config.typed:omegaconf_to_dataclass",
    "parse_config_and_overrides": "nemo_runspec.config.arguments:parse_config_and_overrides",
    "read_config": "nemo_runspec.config.script_cli:read_config",
    "redact": "nemo_runspec.config.secrets:redact",
    "redact_text": "nemo_runspec.redaction:redact_text",
    "save_configs": "nemo_runspec.config.saving:save_configs",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
