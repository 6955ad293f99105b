# /// script
# requires-python = ">=3.11"
# dependencies = ["nemo-runspec", "nemotron-kit-megatron", "nemotron-kit-nemorl"]
#
# [tool.runspec]
# schema = "1"
# name = "nano3/model/convert"
# docs = "Convert a checkpoint of Nemotron 3 Nano to a Hugging Face model."
# image = "nvcr.io/nvidia/nemo:26.06"
#
# [tool.runspec.run]
# launch = "direct"
# packager = "self_contained"
#
# [tool.runspec.resources]
# nodes = 1
# gpus_per_node = 1
#
# [tool.runspec.artifacts]
# writes = { type = "ModelArtifact", format = "hf", name = "{model}-hf" }
#
# [tool.runspec.artifacts.reads]
# model = "ModelArtifact"
# ///
"""Convert a checkpoint of Nemotron 3 Nano to a Hugging Face model with the framework's exporter.

nemotron nano3 model convert --art.model nano3-sft-model:v3 --run PROFILE
"""

from __future__ import annotations

from pathlib import Path

from nemo_runspec.artifacts import log_artifact_once, setup_artifact_tracking
from nemo_runspec.config import read_config
from nemo_runspec.conversion import convert_model, find_model
from nemo_runspec.run_result import record_summary
from nemo_runspec.script import script_main
from nemotron_kit_megatron import MegatronExporter, require_framework
from nemotron_kit_nemorl import DcpExporter
from nemotron_kit_nemorl.versions import is_installed as has_nemo_rl

DEFAULT_CONFIG = Path(__file__).parent / "config" / "default.yaml"


def main() -> None:
    """Convert ``run.model``; a model that was converted before is found again."""
    config = read_config(DEFAULT_CONFIG)
    if not has_nemo_rl():
        # Which of the two converts the model is seen once it is found.
        require_framework(config)

    with setup_artifact_tracking(config) as tracking:
        source = find_model(tracking, config.run.model)
        exporter: DcpExporter | MegatronExporter
        if source.format == "dcp":
            exporter = DcpExporter(config.hf_model)
        else:
            require_framework(config)
            exporter = MegatronExporter(
                config.hf_model,
                architecture=config.architecture,
                strict=config.strict,
                trust_remote_code=config.trust_remote_code,
            )
        made = convert_model(source, Path(config.output_dir), exporter)
        record_summary("cache", "hit" if made.reused else "miss")
        log_artifact_once(made.artifact, tracking)


if __name__ == "__main__":
    script_main(main)
