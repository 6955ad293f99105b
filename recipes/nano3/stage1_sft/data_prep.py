# /// script
# requires-python = ">=3.11"
# dependencies = ["nemotron-data-prep"]
#
# [tool.runspec]
# schema = "1"
# name = "nano3/data/prep/sft"
# docs = "Render, tokenize, mask and pack conversations for fine-tuning."
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
# writes = "SFTDataArtifact"
# ///
"""Render, tokenize, mask and pack conversations for fine-tuning.

nemotron nano3 data prep sft -c sample
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
from nemotron_data_prep import SftPrepConfig, prepare_sft, resolve_inputs

HERE = Path(__file__).resolve().parent
DEFAULT_CONFIG = HERE / "config" / "data_prep" / "sample.yaml"


def main() -> None:
    """Prepare the data that the command line asks for, and record it."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config_path, overrides = parse_config_and_overrides(default_config=DEFAULT_CONFIG)
    config = apply_hydra_overrides(load_omegaconf_yaml(config_path), overrides)

    tracking = setup_artifact_tracking(config)
    settings = resolve_inputs(omegaconf_to_dataclass(config, SftPrepConfig), HERE)
    result = prepare_sft(settings)
    log_artifact_once(result.artifact, tracking)

    totals, packing = result.report["totals"], result.report["packing"]
    record_summary("cache", "hit" if result.cache_hit else "miss")
    record_summary("conversations", totals["records_out"])
    record_summary("left_out", totals["dropped"] | packing["dropped"])
    record_summary("tokens", packing["tokens"])
    record_summary("trained_tokens", packing["trained_tokens"])
    record_summary("packs", packing["packs"])
    record_summary("fill_percent", round(100 * packing["fill"], 2))
    record_summary("output", str(result.path))


if __name__ == "__main__":
    script_main(main)
