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
# preview = "python {script} --config {config} --dry-run"
# packager = "code"
#
# [tool.runspec.config]
# dir = "config/data_prep"
# default = "default"
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

from nemo_runspec.script import script_main
from nemotron_data_prep import SftPrepConfig, prepare_sft, preview_sft
from nemotron_data_prep.script import prepare_and_record, read_request, show


def main() -> None:
    """Prepare the data that the command line asks for and record it, or show what it would be."""
    request = read_request(SftPrepConfig, __file__)
    if request.dry_run:
        show(preview_sft, request)
    else:
        prepare_and_record(prepare_sft, request)


if __name__ == "__main__":
    script_main(main)
