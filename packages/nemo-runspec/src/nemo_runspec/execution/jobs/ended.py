"""How jobs ended, kept beside their records, so that nobody has to be asked again."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from nemo_runspec.atomic import write_atomically
from nemo_runspec.execution.jobs.documents import damaged, unwritable
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.jobs.status import JobBackend, JobStatus

_FILE = "status.json"
_ABOUT = "How the job ended"


def ask_once(record: JobRecord, backend: JobBackend) -> JobStatus:
    """Where a job stands; one that is known to have ended is not asked about again.

    Args:
        record: The job.
        backend: Who knows about it.

    Raises:
        TransferError: Its machine cannot be reached.
        ExecutionError: What is known of it cannot be read or written.
    """
    kept = kept_end(record)
    if kept is not None:
        return kept
    status = backend.status(record)
    keep_if_ended(record, status)
    return status


def keep_if_ended(record: JobRecord, status: JobStatus) -> None:
    """Keep how a job ended, where it has and somebody knows how.

    Raises:
        ExecutionError: It cannot be written.
    """
    if status.finished and status.state != "lost":
        keep_end(record, status)


def kept_end(record: JobRecord) -> JobStatus | None:
    """How a job ended, as far as that was kept; None where it was not.

    Raises:
        ExecutionError: What was kept is damaged.
    """
    file = _file(record)
    try:
        return JobStatus.from_dict(json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise damaged(file, error, about=_ABOUT, hint="Delete that file.") from error


def keep_end(record: JobRecord, status: JobStatus) -> None:
    """Keep how a job ended.

    Raises:
        ExecutionError: It cannot be written.
    """
    try:
        write_atomically(_file(record), f"{json.dumps(asdict(status), indent=2)}\n".encode())
    except OSError as error:
        raise unwritable(_file(record), error, about=_ABOUT) from error


def _file(record: JobRecord) -> Path:
    return record.run_dir / _FILE
