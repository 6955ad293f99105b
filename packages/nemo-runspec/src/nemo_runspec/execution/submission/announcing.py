"""Find a job whose command was killed between the scheduler's yes and its being written down.

On Slurm the script that submits it writes its number beside it, elsewhere the process that starts
it, which is another than the command's.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.jobs.backends import shell_of
from nemo_runspec.execution.jobs.record import JobRecord, read_record, write_record
from nemo_runspec.execution.marks import owners
from nemo_runspec.execution.nemo_run.handles import HANDLE_FILE
from nemo_runspec.execution.profiles import SlurmProfile
from nemo_runspec.execution.submission.model import STAGING
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
        ExecutionError: It is being submitted right now, the announcement is damaged, or the record
            cannot be written.
    """
    if not (run_dir / _ANNOUNCED).is_file():
        return None
    announced = read_record(run_dir, _ANNOUNCED)
    on_slurm = announced.executor == SlurmProfile.executor
    name = _name_on_slurm(announced) if on_slurm else _name_on_engine(announced)
    if not name:
        return None
    record = replace(announced, scheduler_id=name)
    confirm(record)
    return record


def may_have_started(run_dir: Path) -> bool:
    """Tell whether a job that was not found may run all the same.

    Slurm is asked in one go with what writes its answer down; an engine is not.

    Args:
        run_dir: The run directory of a job that :func:`find_announced` did not find.

    Raises:
        ExecutionError: The announcement is damaged.
    """
    announced = (run_dir / _ANNOUNCED).is_file()
    return announced and read_record(run_dir, _ANNOUNCED).executor != SlurmProfile.executor


def _name_on_slurm(announced: JobRecord) -> str:
    file = shlex.quote(f"{announced.job_dir}/{ID_FILE}")
    with shell_of(announced.ssh) as shell:
        return shell.run(f"cat {file}", check=False).stdout.strip().partition(";")[0]


def _name_on_engine(announced: JobRecord) -> str:
    """What the process that starts it, which outlives the command, has written down."""
    staging = announced.run_dir / STAGING
    if any(mark.alive for mark in owners(staging)):
        raise ExecutionError(
            f"The job is being started on {announced.executor} right now.",
            where=str(announced.run_dir),
            hint="Ask again in a while.",
        )
    file = staging / HANDLE_FILE
    return file.read_text(encoding="utf-8") if file.is_file() else ""
