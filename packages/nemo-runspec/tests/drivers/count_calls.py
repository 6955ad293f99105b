"""Count the file-system calls of one log.

Usage: count_calls.py ROOT NAME; logs once to another name (so that the store is open), then prints
the number of calls that logging to NAME makes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from nemo_runspec.artifacts import ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.manifest_tracker import ManifestTracker

COUNTED = ("open", "os.", "shutil.")


def main(root: str, name: str) -> None:
    tracker = ManifestTracker(root)
    artifact = ModelArtifact(path=Path("/checkpoints"), step=1)
    tracker.log(artifact, name="warm-up", lineage=Lineage())
    calls: list[str] = []

    def count(event: str, _arguments: tuple[object, ...]) -> None:
        if event.startswith(COUNTED):
            calls.append(event)

    sys.addaudithook(count)
    tracker.log(artifact, name=name, lineage=Lineage())
    counted = len(calls)
    sys.stdout.write(str(counted))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
