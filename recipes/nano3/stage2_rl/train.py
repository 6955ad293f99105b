# /// script
# requires-python = ">=3.11"
# dependencies = ["nemo-runspec", "nemotron-kit-nemorl"]
#
# [tool.runspec]
# schema = "1"
# name = "nano3/rl"
# docs = "Train Nemotron 3 Nano with GRPO on verifiable prompts with NeMo-RL."
# image = "nvcr.io/nvidia/nemo-rl:v0.4.0.nemotron_3_nano"
#
# [tool.runspec.run]
# launch = "ray"
# packager = "self_contained"
#
# [tool.runspec.resources]
# nodes = 4
# gpus_per_node = 8
#
# [tool.runspec.artifacts]
# writes = "ModelArtifact"
#
# [tool.runspec.artifacts.reads]
# data = "SplitJsonlDataArtifact"
# model = "ModelArtifact"
# ///
"""GRPO for Nemotron 3 Nano with NeMo-RL; every checkpoint becomes an artifact."""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts import ArtifactTrackingResult, setup_artifact_tracking
from nemo_runspec.config import (
    apply_hydra_overrides,
    load_omegaconf_yaml,
    parse_config_and_overrides,
)
from nemo_runspec.errors import ExecutionError
from nemo_runspec.script import script_main

_DEFAULT_CONFIG = Path(__file__).parent / "config" / "default.yaml"
_NOT_THE_FRAMEWORKS = frozenset({"run", "artifacts", "nemo_rl"})


def main() -> None:
    """Train ``run.model`` on the prompts that ``run.data`` names."""
    path, overrides = parse_config_and_overrides(default_config=_DEFAULT_CONFIG)
    config = apply_hydra_overrides(load_omegaconf_yaml(path), overrides)
    require_framework(config)

    # References are resolved, and become inputs of every checkpoint, before anything is built.
    tracking = setup_artifact_tracking(config, artifacts_key="run")
    settings: Any = OmegaConf.to_container(config, resolve=True)

    record_checkpoints(tracking)
    if tracking.wandb:
        from nemotron_kit_wandb import patch_wandb_init_for_lineage

        # The driver starts the run, where its configuration turns W&B on.
        patch_wandb_init_for_lineage(tracking.qualified_names, tags=["rl"])
        settings.setdefault("logger", {})["wandb_enabled"] = True

    # NeMo-RL's own driver is started, since the functions below it change between releases.
    sys.argv = [settings["nemo_rl"]["driver"], "--config", str(write_config(settings))]
    runpy.run_path(sys.argv[0], run_name="__main__")


def record_checkpoints(tracking: ArtifactTrackingResult) -> None:
    """Have every checkpoint recorded in the backends that are active."""
    from nemotron_kit_nemorl import (
        patch_manifest_nemo_rl_checkpoint_logging,
        patch_nemo_rl_checkpoint_logging,
        patch_nemo_rl_checkpoint_logging_both,
    )

    if tracking.manifest and tracking.wandb:
        patch_nemo_rl_checkpoint_logging_both()
    elif tracking.manifest:
        patch_manifest_nemo_rl_checkpoint_logging()
    elif tracking.wandb:
        patch_nemo_rl_checkpoint_logging()


def write_config(settings: dict[str, Any]) -> Path:
    """Write what NeMo-RL reads: its own base configuration below this recipe's settings."""
    own = {key: value for key, value in settings.items() if key not in _NOT_THE_FRAMEWORKS}
    file = Path(os.environ.get("NEMOTRON_RUN_DIR", ".")) / "nemo_rl.yaml"
    document = {"defaults": settings["nemo_rl"]["base"], **own}
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def require_framework(config: DictConfig) -> None:
    """Say where the recipe runs, where NeMo-RL is not installed."""
    if importlib.util.find_spec("nemo_rl") is None:
        image = OmegaConf.select(config, "run.env.container")
        raise ExecutionError(
            f"NeMo-RL is not installed here; this recipe runs in the container {image}."
        )


if __name__ == "__main__":
    script_main(main)
