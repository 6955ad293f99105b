"""Folders of submissions whose command was killed while it prepared them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from nemo_runspec.config.saving import JOB_FILE, TRAIN_FILE
from nemo_runspec.execution.jobs.marks import ProcessMark, read_mark
from nemo_runspec.execution.submission.model import STAGING

_OWNER = "owner.json"
_PLACES = (".nemotron/runs", ".nemotron/pipes")
# What a run directory holds before its job is sent.
_PREPARED = {JOB_FILE, TRAIN_FILE}


def claim(staging: Path) -> None:
    """Make the folder that a submission is written into, and say whose it is."""
    staging.mkdir(parents=True, exist_ok=True)
    ProcessMark.of(os.getpid()).write(staging / _OWNER)


def remove_leftovers(cwd: Path) -> None:
    """Remove what commands that were killed left of their submissions.

    What may belong to a job that was submitted stays: its record, and whatever it wrote.

    Args:
        cwd: The working directory of those commands.

    Raises:
        ExecutionError: A mark is damaged.
    """
    owners = (file for place in _PLACES for file in (cwd / place).glob(f"*/*/{STAGING}/{_OWNER}"))
    for file in owners:
        mark = read_mark(file)
        if mark is not None and not mark.elsewhere and not mark.alive:
            _remove(file.parent.parent)


def _remove(run_dir: Path) -> None:
    shutil.rmtree(run_dir / STAGING, ignore_errors=True)
    if {item.name for item in run_dir.iterdir()} <= _PREPARED:
        shutil.rmtree(run_dir, ignore_errors=True)
