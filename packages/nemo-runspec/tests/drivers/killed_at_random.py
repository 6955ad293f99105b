"""Racing writers that are killed at random moments.

Usage: killed_at_random.py ROOT NAME KILLS SEED; prints one JSON object: ``acknowledged``, pairs of
the reference and the step of every log that returned before the kill.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import sys
from pathlib import Path

from nemo_runspec.artifacts import ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.manifest_tracker import ManifestTracker

WRITERS = 4
LONGEST_S = 0.03
STEPS_EACH = 1_000


def log_until_killed(root: str, name: str, first_step: int, acknowledge: int) -> None:
    """Log versions, each with a step of its own, and say so after each."""
    tracker = ManifestTracker(root)
    for step in range(first_step, first_step + STEPS_EACH):
        artifact = ModelArtifact(path=Path("/checkpoints"), step=step)
        ref = tracker.log(artifact, name=name, lineage=Lineage()).ref
        os.write(acknowledge, f"{ref} {step}\n".encode())


def fork_writer(root: str, name: str, number: int, acknowledge: int) -> int:
    child = os.fork()
    if child == 0:
        log_until_killed(root, name, number * STEPS_EACH, acknowledge)
        os._exit(0)
    return child


def main(root: str, name: str, kills: int, seed: int) -> None:
    moments = random.Random(seed)  # noqa: S311 - repeatable, not secret
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    received = b""
    for first in range(0, kills, WRITERS):
        numbers = range(first, min(first + WRITERS, kills))
        children = [fork_writer(root, name, number, writer) for number in numbers]
        for child in children:
            # The wait is the experiment: each writer dies a random moment after the one before.
            select.select([], [], [], moments.uniform(0, LONGEST_S))
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        received += read_all(reader)
    lines = (line.split() for line in received.decode().splitlines())
    acknowledged = [(ref, int(step)) for ref, step in lines]
    sys.stdout.write(json.dumps({"acknowledged": acknowledged}))


def read_all(reader: int) -> bytes:
    chunks = []
    try:
        while chunk := os.read(reader, 1 << 16):
            chunks.append(chunk)
    except BlockingIOError:
        pass
    return b"".join(chunks)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
