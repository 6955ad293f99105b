"""python prepare_rl.py BLEND FOLDER: prepare as a recipe script does."""

from __future__ import annotations

import sys
from pathlib import Path

from nemo_runspec.script import script_main
from nemotron_data_prep import RlPrepConfig, prepare_rl


def main() -> None:
    blend, output = (Path(text) for text in sys.argv[1:3])
    prepare_rl(RlPrepConfig(blend=blend, output_dir=output, shard_size_bytes=20_000, workers=1))


if __name__ == "__main__":
    script_main(main)
