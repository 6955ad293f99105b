"""The record of a submitted job: ``job.json`` in its run directory."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from nemo_runspec.distributed.folders import RUNS_FOLDER
from nemo_runspec.errors import ExecutionError, UsageError
from nemo_runspec.execution.jobs.documents import (
    damaged,
    known_fields,
    read_document,
    write_document,
)

logger = logging.getLogger(__name__)

RECORD_FILE = "job.json"
FORMAT_VERSION = 1
_ABOUT = "The job's record"
LATEST = "latest"

_SHORTEST_PREFIX = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecord:
    """What has to be known of a job to find it again from another terminal.

    Attributes:
        id: Its name here: the recipe, a slash and the stamp of its run directory.
        recipe: The recipe's name.
        output: The name that its artifact is recorded under.
        run_dir: Its run directory on this machine; it is where the record lies, not in it.
        profile: The profile that it was submitted with.
        executor: The profile's executor.
        mode: ``run`` where the command waited for it, ``batch`` where it did not.
        submitted_at: When, in ISO 8601 with the zone.
        job_dir: Its run directory on the machine where it runs.
        log_pattern: A path there with ``*``: the files that it prints into, in alphabetical order.
        scheduler_id: What the scheduler calls it; the process id of a local one.
        ssh: How to reach that machine: ``host``, and ``user``, ``port``, ``identity``, ``config``
            and ``options`` where they are set; None where it is this one.
        experiment_id: The experiment that it belongs to, where it does.
        manifest_root: Where its manifests are recorded; None where they are off.
        wandb: Whether its artifacts go to W&B too.
        format_version: The version of this record's format.
    """

    id: str
    recipe: str
    output: str
    run_dir: Path
    profile: str
    executor: str
    mode: str
    submitted_at: str
    job_dir: str
    log_pattern: str
    scheduler_id: str | None = None
    ssh: Mapping[str, Any] | None = None
    experiment_id: str | None = None
    manifest_root: str | None = None
    wandb: bool = False
    format_version: int = FORMAT_VERSION

    @property
    def submitted(self) -> datetime:
        """When it was submitted."""
        return datetime.fromisoformat(self.submitted_at)

    def as_dict(self) -> dict[str, Any]:
        """Give the record as JSON data."""
        content = {each.name: getattr(self, each.name) for each in fields(self)}
        content["run_dir"] = str(self.run_dir)
        content["ssh"] = None if self.ssh is None else dict(self.ssh)
        return content


def job_id(run_dir: Path) -> str:
    """The id of the job of a run directory: its last two parts."""
    return "/".join(run_dir.parts[-2:])


def scheduler_id_of(record: JobRecord) -> str:
    """What the scheduler calls a job.

    Raises:
        ExecutionError: The record does not say.
    """
    if record.scheduler_id is None:
        raise ExecutionError(
            "The job's record has no number of its scheduler.", where=str(record.run_dir)
        )
    return record.scheduler_id


def write_record(record: JobRecord, name: str = RECORD_FILE) -> Path:
    """Write a job's record into its run directory.

    Args:
        record: The record.
        name: The file's name.

    Raises:
        ExecutionError: It cannot be written.
    """
    file = record.run_dir / name
    content = {key: value for key, value in record.as_dict().items() if key != "run_dir"}
    write_document(file, content, about=_ABOUT)
    return file


def read_record(run_dir: Path, name: str = RECORD_FILE) -> JobRecord:
    """Read the record of a run directory.

    Args:
        run_dir: The run directory.
        name: The file's name.

    Raises:
        ExecutionError: There is none, it is damaged, or a newer release wrote it.
    """
    file = run_dir / name
    try:
        content = read_document(file, about=_ABOUT, version=FORMAT_VERSION)
        return JobRecord(**known_fields(JobRecord, content), run_dir=run_dir)
    except FileNotFoundError:
        raise ExecutionError(
            "There is no record of a job.",
            where=str(file),
            hint="Jobs that run in the foreground of this machine have none.",
        ) from None
    except (TypeError, AttributeError) as error:
        raise damaged(file, error, about=_ABOUT) from error


def list_records(cwd: Path) -> list[JobRecord]:
    """List the jobs that were submitted from a folder, the oldest first.

    A record that cannot be read is warned about, and hides no other.

    Args:
        cwd: The working directory of the commands that submitted them.
    """
    records: list[JobRecord] = []
    for file in (cwd.absolute() / RUNS_FOLDER).glob(f"*/*/{RECORD_FILE}"):
        try:
            records.append(read_record(file.parent))
        except ExecutionError as error:
            logger.warning("A job is left out: %s", error)
    return sorted(records, key=lambda record: (record.submitted, record.id))


def find_record(cwd: Path, text: str = LATEST) -> JobRecord:
    """Find one job.

    Args:
        cwd: The working directory of the command that submitted it.
        text: Its id, the beginning of it or of its stamp, its scheduler's id, the path of its run
            directory, or ``latest``.

    Raises:
        UsageError: There is no such job, or there are several.
    """
    records = list_records(cwd)
    if text == LATEST and records:
        return records[-1]
    exact = [record for record in records if text in _names(cwd, record)]
    found = exact or [record for record in records if _begins(record, text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{text!r} is the beginning of {len(found)} jobs.",
            hint=f"One of {', '.join(record.id for record in found[-3:])}.",
        )
    raise _missing(cwd, text, records)


def _names(cwd: Path, record: JobRecord) -> set[str | None]:
    run_dir = record.run_dir
    relative = str(run_dir.relative_to(cwd.absolute())) if run_dir.is_relative_to(cwd) else None
    return {record.id, record.run_dir.name, record.scheduler_id, str(run_dir), relative}


def _begins(record: JobRecord, text: str) -> bool:
    if len(text) < _SHORTEST_PREFIX:
        return False
    return record.id.startswith(text) or record.run_dir.name.startswith(text)


def _missing(cwd: Path, text: str, records: list[JobRecord]) -> UsageError:
    if not records:
        return UsageError(
            "No job was submitted from here.",
            where=str(cwd.absolute() / RUNS_FOLDER),
            hint="Submit one with --run or --batch, or change to the folder that you did it in.",
        )
    from nemo_runspec.suggest import nearest

    names = {LATEST, *(name for record in records for name in (record.id, *record.id.split("/")))}
    close = nearest(text, names)
    listed = "See 'nemotron jobs ls' for those that were submitted from here."
    return UsageError(
        f"There is no job {text!r}.", hint=listed if close is None else f"Did you mean {close!r}?"
    )
