"""Folders of submissions whose command was killed while it prepared them."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from nemo_runspec.config.saving import JOB_FILE, TRAIN_FILE
from nemo_runspec.errors import TransferError
from nemo_runspec.execution.jobs.marks import ProcessMark, read_mark
from nemo_runspec.execution.submission.announcing import find_announced
from nemo_runspec.execution.submission.model import STAGING

_logger = logging.getLogger(__name__)

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

    What may belong to a job that was submitted stays: its record, and whatever it wrote. A job
    that Slurm took as its command was killed gets its record now.

    Args:
        cwd: The working directory of those commands.

    Raises:
        ExecutionError: A mark, or what is known of a job, is damaged.
    """
    owners = (file for place in _PLACES for file in (cwd / place).glob(f"*/*/{STAGING}/{_OWNER}"))
    for file in owners:
        mark = read_mark(file)
        if mark is not None and not mark.elsewhere and not mark.alive:
            _settle(file.parent.parent)


def _settle(run_dir: Path) -> None:
    try:
        find_announced(run_dir)
    except TransferError as error:
        _logger.warning("Whether the job of %s was submitted is not known: %s", run_dir, error)
        return
    shutil.rmtree(run_dir / STAGING, ignore_errors=True)
    if {item.name for item in run_dir.iterdir()} <= _PREPARED:
        shutil.rmtree(run_dir, ignore_errors=True)
