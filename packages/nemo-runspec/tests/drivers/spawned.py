"""A script without a run directory whose spawned process records a model.

Usage: spawned.py ROOT
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking


def record() -> None:
    log_artifact(ModelArtifact(path=Path("model"), step=1), name="model")


if __name__ == "__main__":
    setup_artifact_tracking({"artifacts": {"manifest": {"root": sys.argv[1]}}})
    child = multiprocessing.get_context("spawn").Process(target=record)
    child.start()
    child.join()
    sys.exit(child.exitcode)
