"""Two processes that save together, by each mechanism in turn.

Megatron-Bridge's are the ranks of one job; NeMo-RL's are two drivers, which share a name.
Usage: two_processes.py FOLDER
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from hook_lab.mechanisms import IN_BACKGROUND, MECHANISMS, MEGATRON, frameworks
from nemo_runspec.artifacts import setup_artifact_tracking

WORLD_SIZE = 2
STEPS = (20, 40)


def work(rank: int, barrier: Any, folder: Path) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(WORLD_SIZE)}
    for name, start in MECHANISMS.items():
        place = folder / name
        own = place if name in MEGATRON else place / str(rank)
        config = {
            "run": {"output": "model"},
            "artifacts": {"manifest": {"root": str(place / "store")}},
        }
        with frameworks(), setup_artifact_tracking(config):
            job = start(own / "checkpoints", barrier=lambda: barrier.wait(60))
            for step in STEPS:
                barrier.wait(60)  # between two saves there are steps, in which all ranks meet
                (job.save_later if name in IN_BACKGROUND else job.save)(step)
                job.wait()
            job.undo()
        barrier.wait(60)


def main() -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WORLD_SIZE)
    arguments = (barrier, Path(sys.argv[1]))
    ranks = [context.Process(target=work, args=(rank, *arguments)) for rank in range(WORLD_SIZE)]
    for process in ranks:
        process.start()
    for process in ranks:
        process.join()
    sys.exit(max(process.exitcode or 0 for process in ranks))


if __name__ == "__main__":
    main()
