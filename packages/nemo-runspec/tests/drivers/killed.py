"""Writers that are killed at one file-system call after the other.

Usage: killed.py ROOT NAME; prints one JSON object: ``points`` (how many calls a writer was killed
at) and ``acknowledged`` (the references whose log returned before the kill).
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from nemo_runspec.artifacts import ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.manifest_tracker import ManifestTracker

CALLS = {
    "open",
    "os.link",
    "os.listdir",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.scandir",
    "shutil.rmtree",
}
LOGS_EACH = 3


def log_until_killed(root: str, name: str, point: int, acknowledge: int) -> None:
    """Log a few versions; die right before the given call."""
    left = point

    def kill(event: str, _arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event not in CALLS:
            return
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    tracker = ManifestTracker(root)
    artifact = ModelArtifact(path=Path("/checkpoints"), step=point)
    sys.addaudithook(kill)
    for _ in range(LOGS_EACH):
        ref = tracker.log(artifact, name=name, lineage=Lineage()).ref
        os.write(acknowledge, f"{ref}\n".encode())


def fork_writer(root: str, name: str, point: int, acknowledge: int) -> bool:
    """Run a writer in a process of its own; tell whether it was killed."""
    child = os.fork()
    if child == 0:
        log_until_killed(root, name, point, acknowledge)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def main(root: str, name: str) -> None:
    reader, writer = os.pipe()
    point = 0
    while fork_writer(root, name, point, writer):
        point += 1
    os.close(writer)
    with os.fdopen(reader) as stream:
        acknowledged = stream.read().split()
    sys.stdout.write(json.dumps({"points": point, "acknowledged": acknowledged}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
