"""Configuration: files, overrides, typed results, and the configurations of a job."""

# ruff: noqa: PLC0414 - an alias is how a module says that it re-exports a name

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.config import apply_hydra_overrides as apply_hydra_overrides
    from nemo_runspec.config import build_job_config as build_job_config
    from nemo_runspec.config import cli as cli
    from nemo_runspec.config import extract_train_config as extract_train_config
    from nemo_runspec.config import load_config_file as load_config_file
    from nemo_runspec.config import load_omegaconf_yaml as load_omegaconf_yaml
    from nemo_runspec.config import omegaconf_to_dataclass as omegaconf_to_dataclass
    from nemo_runspec.config import parse_config_and_overrides as parse_config_and_overrides
    from nemo_runspec.config import save_configs as save_configs
    from nemo_runspec.env_toml import load_env_profile as load_env_profile

EXPORTS = {
    "apply_hydra_overrides": "nemo_runspec.config:apply_hydra_overrides",
    "build_job_config": "nemo_runspec.config:build_job_config",
    "cli": "nemo_runspec.config:cli",
    "extract_train_config": "nemo_runspec.config:extract_train_config",
    "load_config_file": "nemo_runspec.config:load_config_file",
    "load_env_profile": "nemo_runspec.env_toml:load_env_profile",
    "load_omegaconf_yaml": "nemo_runspec.config:load_omegaconf_yaml",
    "omegaconf_to_dataclass": "nemo_runspec.config:omegaconf_to_dataclass",
    "parse_config_and_overrides": "nemo_runspec.config:parse_config_and_overrides",
    "save_configs": "nemo_runspec.config:save_configs",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
