# /// script
# requires-python = ">=3.11"
# dependencies = ["nemo-runspec", "nemotron-kit-megatron"]
#
# [tool.runspec]
# schema = "1"
# name = "nano3/pretrain"
# docs = "Pretrain Nemotron 3 Nano on tokenised text with Megatron-Bridge."
# image = "nvcr.io/nvidia/nemo:25.11.nemotron_3_nano"
# [tool.runspec.run]
# launch = "torchrun"
# packager = "self_contained"
# [tool.runspec.resources]
# nodes = 4
# gpus_per_node = 8
# [tool.runspec.artifacts]
# writes = "ModelArtifact"
# [tool.runspec.artifacts.reads]
# data = "PretrainBlendsArtifact"
# ///
"""Pretrain Nemotron 3 Nano with Megatron-Bridge; every checkpoint becomes an artifact."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts import ArtifactTrackingResult, setup_artifact_tracking
from nemo_runspec.config import (
    apply_hydra_overrides,
    load_omegaconf_yaml,
    parse_config_and_overrides,
)
from nemo_runspec.errors import ConfigError, ExecutionError
from nemo_runspec.script import script_main

_DEFAULT_CONFIG = Path(__file__).parent / "config" / "default.yaml"
_NOT_THE_FRAMEWORKS = frozenset({"run", "artifacts", "recipe", "data"})


def main() -> None:
    """Pretrain on the artifact that ``run.data`` names."""
    path, overrides = parse_config_and_overrides(default_config=_DEFAULT_CONFIG)
    config = apply_hydra_overrides(load_omegaconf_yaml(path), overrides)
    require_framework(config)

    # References are resolved, and become inputs of every checkpoint, before anything is built.
    tracking = setup_artifact_tracking(config, artifacts_key="run")
    settings: Any = OmegaConf.to_container(config, resolve=True)

    from megatron.bridge.training.gpt_step import forward_step
    from megatron.bridge.training.pretrain import pretrain

    record_checkpoints(tracking)
    if tracking.wandb:
        from nemotron_kit_wandb import patch_wandb_init_for_lineage

        # The framework starts the run, late and on its last rank.
        patch_wandb_init_for_lineage(tracking.qualified_names, tags=["pretrain"])

    container = build(settings["recipe"])
    use_blend(container, settings["data"]["per_split_data_args_path"])
    for section in settings.keys() - _NOT_THE_FRAMEWORKS:
        assign(container, {section: settings[section]}, "config")
    pretrain(config=container, forward_step_func=forward_step)


def use_blend(container: Any, blend_file: str) -> None:
    """Train on the splits of a ``blend.json``; the file is no field of the framework's dataset."""
    from megatron.bridge.data.loaders import get_blend_and_blend_per_split

    _, per_split = get_blend_and_blend_per_split(per_split_data_args_path=blend_file)
    container.dataset.blend = None
    container.dataset.blend_per_split = per_split
    container.dataset.split = None


def record_checkpoints(tracking: ArtifactTrackingResult) -> None:
    """Have every checkpoint recorded in the backends that are active."""
    from nemotron_kit_megatron import (
        patch_checkpoint_logging_both,
        patch_manifest_checkpoint_logging,
        patch_wandb_checkpoint_logging,
    )

    if tracking.manifest and tracking.wandb:
        patch_checkpoint_logging_both()
    elif tracking.manifest:
        patch_manifest_checkpoint_logging()
    elif tracking.wandb:
        patch_wandb_checkpoint_logging()


def require_framework(config: DictConfig) -> None:
    """Say where the recipe runs, where Megatron-Bridge is not installed."""
    try:
        found = importlib.util.find_spec("megatron.bridge")
    except ModuleNotFoundError:
        found = None
    if found is None:
        image = OmegaConf.select(config, "run.env.container")
        raise ExecutionError(
            f"Megatron-Bridge is not installed here; this recipe runs in the container {image}."
        )


def build(value: Any) -> Any:
    """Make what a ``_target_`` describes: a call of that function or class."""
    if isinstance(value, list):
        return [build(item) for item in value]
    if not isinstance(value, dict):
        return value
    arguments = {key: build(item) for key, item in value.items() if key != "_target_"}
    if "_target_" not in value:
        return arguments
    module, _, name = value["_target_"].rpartition(".")
    return getattr(importlib.import_module(module), name)(**arguments)


def assign(target: Any, settings: dict[str, Any], where: str) -> None:
    """Set what the configuration says on the framework's own configuration."""
    for key, value in settings.items():
        if not hasattr(target, key):
            raise ConfigError(f"Megatron-Bridge has no setting '{where}.{key}'.")
        current = getattr(target, key)
        nested = isinstance(value, dict) and "_target_" not in value
        if nested and current is not None and not isinstance(current, dict):
            assign(current, value, f"{where}.{key}")
        else:
            setattr(target, key, build(value))


if __name__ == "__main__":
    script_main(main)
