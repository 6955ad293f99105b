# /// script
# requires-python = ">=3.11"
# dependencies = ["nemotron-data-prep"]
#
# [tool.runspec]
# schema = "1"
# name = "nano3/data/prep/pretrain"
# docs = "Tokenize text for pretraining into Megatron's .bin/.idx."
#
# [tool.runspec.run]
# launch = "direct"
# cmd = "python {script} --config {config}"
# packager = "code"
#
# [tool.runspec.config]
# dir = "config/data_prep"
# default = "sample"
# format = "omegaconf"
#
# [tool.runspec.resources]
# nodes = 1
# gpus_per_node = 0
#
# [tool.runspec.artifacts]
# writes = "PretrainBlendsArtifact"
# ///
"""Tokenize text for pretraining into Megatron's .bin/.idx.

nemotron nano3 data prep pretrain -c sample
python data_prep.py --config config/data_prep/sample.yaml seed=1
"""

from __future__ import annotations

import logging
from pathlib import Path

from nemo_runspec.artifacts import log_artifact_once, setup_artifact_tracking
from nemo_runspec.config import (
    apply_hydra_overrides,
    load_omegaconf_yaml,
    omegaconf_to_dataclass,
    parse_config_and_overrides,
)
from nemo_runspec.run_result import record_summary
from nemo_runspec.script import script_main
from nemotron_data_prep import PretrainPrepConfig, prepare_pretrain, resolve_inputs

HERE = Path(__file__).resolve().parent
DEFAULT_CONFIG = HERE / "config" / "data_prep" / "sample.yaml"


def main() -> None:
    """Prepare the data that the command line asks for, and record it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config_path, overrides = parse_config_and_overrides(default_config=DEFAULT_CONFIG)
    config = apply_hydra_overrides(load_omegaconf_yaml(config_path), overrides)

    tracking = setup_artifact_tracking(config)
    settings = resolve_inputs(omegaconf_to_dataclass(config, PretrainPrepConfig), HERE)
    result = prepare_pretrain(settings)
    log_artifact_once(result.artifact, tracking)

    totals = result.report["totals"]
    record_summary("cache", "hit" if result.cache_hit else "miss")
    record_summary("documents", totals["records_out"])
    record_summary("left_out", totals["dropped"])
    record_summary("tokens", totals["tokens"])
    record_summary("output", str(result.path))


if __name__ == "__main__":
    script_main(main)
