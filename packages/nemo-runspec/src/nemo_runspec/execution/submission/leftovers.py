"""Folders of submissions whose command was killed while it prepared them."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from nemo_runspec.config.saving import JOB_FILE, TRAIN_FILE
from nemo_runspec.errors import TransferError
from nemo_runspec.execution.jobs.engine import HOME
from nemo_runspec.execution.marks import owners
from nemo_runspec.execution.submission.announcing import find_announced, may_have_started
from nemo_runspec.execution.submission.model import STAGING

_logger = logging.getLogger(__name__)

_PLACES = (".nemotron/runs", ".nemotron/pipes")
# What a run directory holds before its job is announced.
_PREPARED = {JOB_FILE, TRAIN_FILE, HOME}


def remove_leftovers(cwd: Path) -> None:
    """Remove what commands that were killed left of their submissions.

    What may belong to a job that was submitted stays: its record, and whatever it wrote. A job
    that was taken as its command was killed gets its record now.

    Args:
        cwd: The working directory of those commands.

    Raises:
        ExecutionError: A mark, or what is known of a job, is damaged.
    """
    stagings = (folder for place in _PLACES for folder in (cwd / place).glob(f"*/*/{STAGING}"))
    for staging in stagings:
        marks = owners(staging)
        if marks and not any(mark.elsewhere or mark.alive for mark in marks):
            _settle(staging.parent)


def _settle(run_dir: Path) -> None:
    try:
        found = find_announced(run_dir)
    except TransferError as error:
        _logger.warning("Whether the job of %s was submitted is not known: %s", run_dir, error)
        return
    if found is None and may_have_started(run_dir):
        _logger.warning(
            "Whether the job of %s was started is not known, since what started it was killed: "
            "look for it in the engine's own console.",
            run_dir,
        )
    shutil.rmtree(run_dir / STAGING, ignore_errors=True)
    if {item.name for item in run_dir.iterdir()} <= _PREPARED:
        shutil.rmtree(run_dir, ignore_errors=True)
