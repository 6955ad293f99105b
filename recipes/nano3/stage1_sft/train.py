# /// script
# requires-python = ">=3.11"
# dependencies = ["nemo-runspec", "nemotron-kit-megatron"]
#
# [tool.runspec]
# schema = "1"
# name = "nano3/sft"
# docs = "Fine-tune Nemotron 3 Nano on packed conversations with Megatron-Bridge."
# image = "nvcr.io/nvidia/nemo:26.06"
#
# [tool.runspec.run]
# launch = "torchrun"
# packager = "self_contained"
#
# [tool.runspec.resources]
# nodes = 2
# gpus_per_node = 8
#
# [tool.runspec.artifacts]
# writes = { type = "ModelArtifact", format = "megatron" }
#
# [tool.runspec.artifacts.reads]
# data = "SFTDataArtifact"
# model = { type = "ModelArtifact", format = "megatron" }
# ///
"""Fine-tune Nemotron 3 Nano with Megatron-Bridge; every checkpoint becomes an artifact.

nemotron nano3 sft -c sample --dry-run
nemotron nano3 sft --run PROFILE
"""

from __future__ import annotations

from pathlib import Path

from nemo_runspec.artifacts import setup_artifact_tracking
from nemo_runspec.config import read_config
from nemo_runspec.script import script_main
from nemotron_kit_megatron import (
    load_recipe,
    require_framework,
    require_model,
    training_hooks,
)

DEFAULT_CONFIG = Path(__file__).parent / "config" / "default.yaml"


def main() -> None:
    """Fine-tune ``run.model`` on the conversations that ``run.data`` names."""
    config = read_config(DEFAULT_CONFIG)
    require_framework(config)

    # What `run` refers to becomes an input of every checkpoint, and `${art:...}` is read from it.
    tracking = setup_artifact_tracking(config)
    container = load_recipe(config)
    require_model(container)

    from megatron.bridge.training.finetune import finetune
    from megatron.bridge.training.gpt_step import forward_step

    finetune(container, forward_step, **training_hooks(finetune, tracking))


if __name__ == "__main__":
    script_main(main)
