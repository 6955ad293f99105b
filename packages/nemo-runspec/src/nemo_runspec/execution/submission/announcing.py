"""Find a job whose command was killed between the scheduler's yes and its being written down."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from nemo_runspec.execution.jobs.backends import shell_of
from nemo_runspec.execution.jobs.record import JobRecord, read_record, write_record
from nemo_runspec.execution.submission.sbatch import ID_FILE

_ANNOUNCED = "submitting.json"


def announce(record: JobRecord) -> None:
    """Write down that a job is about to be submitted, and where it would be found.

    Args:
        record: The job, which has no number yet.

    Raises:
        ExecutionError: It cannot be written.
    """
    write_record(record, _ANNOUNCED)


def confirm(record: JobRecord) -> None:
    """Write down a job that is submitted.

    Args:
        record: The job.

    Raises:
        ExecutionError: It cannot be written.
    """
    write_record(record)
    (record.run_dir / _ANNOUNCED).unlink(missing_ok=True)


def find_announced(run_dir: Path) -> JobRecord | None:
    """Write down a job that was announced, and that Slurm took.

    Args:
        run_dir: Its run directory.

    Returns:
        The job; None where none was announced, or it was not submitted.

    Raises:
        TransferError: The machine cannot be reached.
        ExecutionError: The announcement is damaged, or the record cannot be written.
    """
    if not (run_dir / _ANNOUNCED).is_file():
        return None
    announced = read_record(run_dir, _ANNOUNCED)
    file = shlex.quote(f"{announced.job_dir}/{ID_FILE}")
    with shell_of(announced.ssh) as shell:
        number = shell.run(f"cat {file}", check=False).stdout.strip().partition(";")[0]
    if not number:
        return None
    record = replace(announced, scheduler_id=number)
    confirm(record)
    return record
