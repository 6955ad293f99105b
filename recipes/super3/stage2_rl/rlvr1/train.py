# /// script
# requires-python = ">=3.11"
# dependencies = ["nemo-runspec", "nemotron-kit-nemorl"]
#
# [tool.runspec]
# schema = "1"
# name = "super3/rl/rlvr1"
# docs = "Train Nemotron 3 Super with GRPO on the first of three sets of verifiable prompts."
# image = "nvcr.io/nvidia/nemo-rl:v0.7.0"
#
# [tool.runspec.run]
# launch = "ray"
# packager = "self_contained"
#
# [tool.runspec.resources]
# nodes = 27
# gpus_per_node = 8
#
# [tool.runspec.artifacts]
# writes = { type = "ModelArtifact", format = "megatron" }
#
# [tool.runspec.artifacts.reads]
# data = "SplitJsonlDataArtifact"
# model = { type = "ModelArtifact", format = "hf" }
# ///
"""Train Nemotron 3 Super with GRPO: verifiable rewards, first set of prompts.

nemotron super3 rl rlvr1 -c sample --dry-run
nemotron super3 rl rlvr1 --run PROFILE
"""

from __future__ import annotations

from pathlib import Path

from nemo_runspec.artifacts import setup_artifact_tracking
from nemo_runspec.config import read_config
from nemo_runspec.script import script_main
from nemotron_kit_nemorl import require_framework, start_training

DEFAULT_CONFIG = Path(__file__).parent / "config" / "default.yaml"


def main() -> None:
    """Train ``run.model`` on the prompts that ``run.data`` names."""
    config = read_config(DEFAULT_CONFIG)
    require_framework(config)

    # What `run` refers to becomes an input of every checkpoint, and `${art:...}` is read from it.
    tracking = setup_artifact_tracking(config)

    # NeMo-RL's own driver is started in this process, hooks in place; `nemo_rl` names it.
    start_training(config, tracking)


if __name__ == "__main__":
    script_main(main)
