"""What recipes and users import: artifacts, configuration, tracking and W&B, each from its owner.

Nothing is imported until a name is used; a name whose package is absent says how to get it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.exports import lazy_exports

if TYPE_CHECKING:
    from nemo_runspec.artifacts import Artifact as Artifact
    from nemo_runspec.artifacts import DataBlendsArtifact as DataBlendsArtifact
    from nemo_runspec.artifacts import EvalResultsArtifact as EvalResultsArtifact
    from nemo_runspec.artifacts import InputDatasetInfo as InputDatasetInfo
    from nemo_runspec.artifacts import ModelArtifact as ModelArtifact
    from nemo_runspec.artifacts import PretrainBlendsArtifact as PretrainBlendsArtifact
    from nemo_runspec.artifacts import SFTDataArtifact as SFTDataArtifact
    from nemo_runspec.artifacts import SplitJsonlDataArtifact as SplitJsonlDataArtifact
    from nemo_runspec.artifacts import log_artifact as log_artifact
    from nemo_runspec.artifacts import setup_artifact_tracking as setup_artifact_tracking
    from nemo_runspec.config import apply_hydra_overrides as apply_hydra_overrides
    from nemo_runspec.config import cli as cli
    from nemo_runspec.config import load_omegaconf_yaml as load_omegaconf_yaml
    from nemo_runspec.env_toml import load_env_profile as load_env_profile
    from nemo_runspec.execution import build_executor as build_executor
    from nemotron.kit import wandb_kit as wandb_kit
    from nemotron_kit_wandb.run import add_wandb_tags as add_wandb_tags
    from nemotron_kit_wandb.run import finish_wandb as finish_wandb
    from nemotron_kit_wandb.run import init_wandb_if_configured as init_wandb_if_configured

EXPORTS = {
    "Artifact": "nemo_runspec.artifacts:Artifact",
    "DataBlendsArtifact": "nemo_runspec.artifacts:DataBlendsArtifact",
    "EvalResultsArtifact": "nemo_runspec.artifacts:EvalResultsArtifact",
    "InputDatasetInfo": "nemo_runspec.artifacts:InputDatasetInfo",
    "ModelArtifact": "nemo_runspec.artifacts:ModelArtifact",
    "PretrainBlendsArtifact": "nemo_runspec.artifacts:PretrainBlendsArtifact",
    "SFTDataArtifact": "nemo_runspec.artifacts:SFTDataArtifact",
    "SplitJsonlDataArtifact": "nemo_runspec.artifacts:SplitJsonlDataArtifact",
    "add_wandb_tags": "nemotron_kit_wandb.run:add_wandb_tags",
    "apply_hydra_overrides": "nemo_runspec.config:apply_hydra_overrides",
    "build_executor": "nemo_runspec.execution:build_executor",
    "cli": "nemo_runspec.config:cli",
    "finish_wandb": "nemotron_kit_wandb.run:finish_wandb",
    "init_wandb_if_configured": "nemotron_kit_wandb.run:init_wandb_if_configured",
    "load_env_profile": "nemo_runspec.env_toml:load_env_profile",
    "load_omegaconf_yaml": "nemo_runspec.config:load_omegaconf_yaml",
    "log_artifact": "nemo_runspec.artifacts:log_artifact",
    "setup_artifact_tracking": "nemo_runspec.artifacts:setup_artifact_tracking",
    "wandb_kit": "nemotron.kit.wandb_kit",
}

__getattr__, __dir__ = lazy_exports(__name__, EXPORTS)
