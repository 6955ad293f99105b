"""Writers in processes of their own race for versions of one name.

Usage: race.py ROOT NAME PROCESSES VERSIONS_EACH; prints the pinned references, one a line.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts import ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.manifest_tracker import ManifestTracker


def write(root: str, name: str, count: int, barrier: Any, results: Any) -> None:
    tracker = ManifestTracker(root)
    barrier.wait()
    for step in range(count):
        artifact = ModelArtifact(path=Path("/checkpoints"), step=step)
        results.put(tracker.log(artifact, name=name, lineage=Lineage()).ref)


def main(root: str, name: str, processes: int, each: int) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(processes)
    results = context.Queue()
    writers = [
        context.Process(target=write, args=(root, name, each, barrier, results))
        for _ in range(processes)
    ]
    for writer in writers:
        writer.start()
    refs = [results.get() for _ in range(processes * each)]
    for writer in writers:
        writer.join()
    sys.stdout.write("\n".join(refs))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
