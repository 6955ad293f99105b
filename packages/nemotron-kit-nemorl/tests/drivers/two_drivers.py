"""Two drivers of NeMo-RL save at the same time, each into a folder of its own, under one name.

Usage: two_drivers.py DOUBLE STORE RESULTS
"""

from __future__ import annotations

import importlib
import multiprocessing
import sys
from pathlib import Path
from typing import Any

DRIVERS = 2
STEPS = (10, 20, 30)


def work(number: int, barrier: Any, arguments: list[str]) -> None:
    double, store, results = arguments
    sys.path.insert(0, double)

    from nemo_runspec.artifacts import setup_artifact_tracking
    from nemotron_kit_nemorl import patch_manifest_nemo_rl_checkpoint_logging

    module = importlib.import_module("nemo_rl.utils.checkpoint")
    config = {"run": {"output": "model"}, "artifacts": {"manifest": {"root": store}}}
    with setup_artifact_tracking(config):
        patch_manifest_nemo_rl_checkpoint_logging()
        folder = Path(results) / f"driver_{number}"
        manager = module.CheckpointManager({"checkpoint_dir": folder, "keep_top_k": 1})
        for step in STEPS:
            working = manager.init_tmp_checkpoint(step, {})
            manager.begin_finalization(working, wait_fn=lambda: barrier.wait(60))
        manager.shutdown()


def main() -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(DRIVERS)
    drivers = [
        context.Process(target=work, args=(number, barrier, sys.argv[1:]))
        for number in range(DRIVERS)
    ]
    for process in drivers:
        process.start()
    for process in drivers:
        process.join()
    sys.exit(max(process.exitcode or 0 for process in drivers))


if __name__ == "__main__":
    main()
