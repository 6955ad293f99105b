"""Writers in forked processes race for versions of one name.

Usage: race.py ROOT NAME PROCESSES VERSIONS_EACH; prints the pinned references, one a line. The
parent has logged a version through the same tracker before, so that its client is in use.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts import ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.manifest_tracker import ManifestTracker


def log(tracker: ManifestTracker, name: str, step: int) -> str:
    artifact = ModelArtifact(path=Path("/checkpoints"), step=step)
    return tracker.log(artifact, name=name, lineage=Lineage()).ref


def write(tracker: ManifestTracker, name: str, count: int, barrier: Any, results: Any) -> None:
    barrier.wait()
    for step in range(count):
        results.put(log(tracker, name, step))


def main(root: str, name: str, processes: int, each: int) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(processes), context.Queue()
    tracker = ManifestTracker(root)
    refs = [log(tracker, name, 0)]
    writers = [
        context.Process(target=write, args=(tracker, name, each, barrier, results))
        for _ in range(processes)
    ]
    for writer in writers:
        writer.start()
    refs += [results.get() for _ in range(processes * each)]
    for writer in writers:
        writer.join()
    refs.append(log(tracker, name, 0))
    sys.stdout.write("\n".join(refs))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
