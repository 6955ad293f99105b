"""What the scripts of all data recipes share: read the request, record the outcome."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic

from nemo_runspec.artifacts import (
    ArtifactTrackingResult,
    log_artifact_once,
    setup_artifact_tracking,
)
from nemo_runspec.artifacts.job_run import job_run
from nemo_runspec.config import omegaconf_to_dataclass, read_config
from nemo_runspec.errors import OutOfReachError
from nemo_runspec.resolvers import register_resolvers_from_config
from nemo_runspec.run_result import RUN_DIR_VARIABLE, record_preview, record_summary
from nemotron_data_prep.config import ConfigT
from nemotron_data_prep.inputs import resolve_inputs
from nemotron_data_prep.previewing.model import Preview, as_text
from nemotron_data_prep.results import PrepResult
from nemotron_data_prep.summary import summary_rows

DRY_RUN = "--dry-run"
DEFAULT_CONFIG = Path("config", "data_prep", "default.yaml")


@dataclass(frozen=True, slots=True)
class Request(Generic[ConfigT]):
    """What a command line asks a data recipe for.

    Attributes:
        settings: The stage's configuration, with absolute input paths.
        tracking: Where the outcome is recorded; nowhere in a dry run.
        dry_run: Whether ``--dry-run`` asks only for what would be made.
    """

    settings: ConfigT
    tracking: ArtifactTrackingResult
    dry_run: bool


def read_request(config_class: type[ConfigT], script: str) -> Request[ConfigT]:
    """Read the configuration that the command line names, its overrides, and ``--dry-run``.

    Logging is set up too, so that our progress is seen, and of libraries what went wrong.

    Args:
        config_class: The stage's configuration.
        script: The recipe's ``__file__``: without ``--config`` the configuration is
            ``config/data_prep/default.yaml`` beside it, and relative paths that the working
            directory lacks are looked up there.

    Raises:
        ConfigError: The configuration is malformed, or names files that do not exist.
    """
    _show_progress()
    folder = Path(script).resolve().parent
    arguments = [word for word in sys.argv[1:] if word != DRY_RUN]
    dry_run = len(arguments) < len(sys.argv) - 1
    config = read_config(folder / DEFAULT_CONFIG, arguments)
    register_resolvers_from_config(config)
    tracking = setup_artifact_tracking({} if dry_run else config)
    settings = resolve_inputs(omegaconf_to_dataclass(config, config_class), folder)
    return Request(settings, tracking, dry_run)


def show(preview: Callable[[ConfigT], Preview], request: Request[ConfigT]) -> None:
    """Tell what a preparation would make: a dry run of the command, or whoever runs the script.

    Data that cannot be reached from here leaves the preview empty and is no error: as far as that
    can be seen, the request holds.

    Args:
        preview: The stage's preview.
        request: What was asked for.
    """
    try:
        found = preview(request.settings)
        title, rows, data = found.title, found.rows, found.data
    except OutOfReachError as error:
        title, rows = "Data Preview (none)", (("Unknown:", str(error)),)
        data = {"unknown": str(error)}
    record_preview([(title, rows)], data)
    if RUN_DIR_VARIABLE not in os.environ:
        sys.stdout.write(as_text(title, rows) + "\n")


def prepare_and_record(prepare: Callable[[ConfigT], PrepResult], request: Request[ConfigT]) -> None:
    """Prepare the data and record it; where it is tracked in W&B, as a run of its own.

    Args:
        prepare: The stage's preparation.
        request: What was asked for.
    """
    with job_run(request.tracking, "data-prep"):
        record(prepare(request.settings), request)


def record(result: PrepResult, request: Request[ConfigT]) -> None:
    """Log the output as an artifact, and tell the completion panel what became of the data.

    Args:
        result: What the preparation returned.
        request: What was asked for.
    """
    log_artifact_once(result.artifact, request.tracking)
    for key, value in summary_rows(result, request.settings.engine).items():
        record_summary(key, value)


def _show_progress() -> None:
    logging.basicConfig(format="%(message)s")
    for package in ("nemo_runspec", "nemotron_data_prep"):
        logging.getLogger(package).setLevel(logging.INFO)
