# /// script
# requires-python = ">=3.11"
# dependencies = ["nemo-runspec", "nemotron-kit-evaluator"]
#
# [tool.runspec]
# schema = "1"
# name = "nano3/eval"
# docs = "Score Nemotron 3 Nano with NeMo Evaluator, served by vLLM."
# image = "vllm/vllm-openai:v0.13.0"
#
# [tool.runspec.run]
# launch = "direct"
# packager = "self_contained"
#
# [tool.runspec.resources]
# nodes = 1
# gpus_per_node = 2
#
# [tool.runspec.artifacts]
# writes = "EvalResultsArtifact"
#
# [tool.runspec.artifacts.reads]
# model = { type = "ModelArtifact", format = "hf" }
# ///
"""Serve a model, score it with NeMo Evaluator, and record the scores.

nemotron nano3 eval -c tiny --art.model NAME:v2 --dry-run
nemotron nano3 eval --run PROFILE
"""

from __future__ import annotations

import logging
from pathlib import Path

from nemo_runspec.artifacts import setup_artifact_tracking
from nemo_runspec.artifacts.job_run import job_run
from nemo_runspec.config import omegaconf_to_dataclass, read_config
from nemo_runspec.script import script_main
from nemotron_kit_evaluator import EvalConfig, evaluate, record_results, require_framework

DEFAULT_CONFIG = Path(__file__).parent / "config" / "default.yaml"


def main() -> None:
    """Run the tasks against ``run.model``, record what succeeded, and fail where one did."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("nemotron_kit_evaluator").setLevel(logging.INFO)
    config = read_config(DEFAULT_CONFIG)
    require_framework(config)

    # With W&B the evaluation is a run there, which reads the model and has the scores.
    with setup_artifact_tracking(config) as tracking, job_run(tracking, "eval"):
        settings = omegaconf_to_dataclass(config, EvalConfig)
        evaluation = evaluate(settings)
        record_results(evaluation, settings, tracking, model=config.run.model)
        evaluation.require_success()


if __name__ == "__main__":
    script_main(main)
