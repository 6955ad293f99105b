# /// script
# requires-python = ">=3.11"
# dependencies = ["nemotron-data-prep"]
#
# [tool.runspec]
# schema = "1"
# name = "super3/data/prep/rl/rlvr3"
# docs = "Check and split prompts with checkable answers for NeMo-RL."
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
# writes = "SplitJsonlDataArtifact"
# ///
"""Check and split prompts with checkable answers for NeMo-RL.

nemotron super3 data prep rl rlvr3 -c sample
python data_prep.py --config config/data_prep/sample.yaml seed=1
"""

from __future__ import annotations

from nemo_runspec.script import script_main
from nemotron_data_prep import RlPrepConfig, prepare_rl, preview_rl
from nemotron_data_prep.script import prepare_and_record, read_request, show


def main() -> None:
    """Prepare the data that the command line asks for and record it, or show what it would be."""
    request = read_request(RlPrepConfig, __file__)
    if request.dry_run:
        show(preview_rl, request)
    else:
        prepare_and_record(prepare_rl, request)


if __name__ == "__main__":
    script_main(main)
