"""Submit what was prepared: send it, hand it to the scheduler, and write down what it is."""

from __future__ import annotations

import shutil

from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.profiles import SlurmProfile
from nemo_runspec.execution.shells import ClusterShell, SshShell, open_shell
from nemo_runspec.execution.submission.announcing import announce, confirm
from nemo_runspec.execution.submission.engines import start_on_engine
from nemo_runspec.execution.submission.model import STAGING, PreparedSubmission
from nemo_runspec.execution.submission.recording import reach_of, record_of
from nemo_runspec.execution.submission.sbatch import cancel, hand_over
from nemo_runspec.execution.submission.sending import send_all, take_away
from nemo_runspec.signals import not_now


def submit(prepared: PreparedSubmission, *, shell: ClusterShell | None = None) -> JobRecord:
    """Send a prepared job and give it to the scheduler.

    Where this fails nothing of the job stays behind, here or there. What could not be taken away
    again, because the connection was lost, is named.

    Args:
        prepared: The job; its run directory keeps the configurations and gets the record.
        shell: A shell of the profile's machine that is open already.

    Raises:
        TransferError: The machine cannot be reached, or its disk is full.
        ExecutionError: The scheduler refuses the job.
    """
    if not isinstance(prepared.profile, SlurmProfile):
        return start_on_engine(prepared)
    if shell is not None:
        return _submit(prepared, shell)
    with open_shell(prepared.profile) as own:
        return _submit(prepared, own)


def _submit(prepared: PreparedSubmission, shell: ClusterShell) -> JobRecord:
    try:
        sent = send_all(prepared, shell)
    except BaseException:
        shutil.rmtree(prepared.folder, ignore_errors=True)
        raise
    with not_now():
        try:
            record = submit_sent(sent, shell)
        except BaseException as error:
            give_up(sent, shell, error)
            raise
        shutil.rmtree(prepared.folder / STAGING)
    return record


def submit_sent(prepared: PreparedSubmission, shell: ClusterShell) -> JobRecord:
    """Give a job that was sent to the scheduler, and write down what it is called.

    Args:
        prepared: The job, as it was sent.
        shell: A shell of the machine that it was sent to.

    Raises:
        TransferError: The connection was lost.
        ExecutionError: The scheduler refuses the job, or it cannot be written down; then it is
            taken back.
    """
    ssh = reach_of(shell.target) if isinstance(shell, SshShell) else None
    announce(record_of(prepared, None, ssh=ssh))
    scheduler_id = hand_over(prepared, shell)
    record = record_of(prepared, scheduler_id, ssh=ssh)
    try:
        confirm(record)
    except BaseException:
        cancel(scheduler_id, shell)
        raise
    return record


def give_up(prepared: PreparedSubmission, shell: ClusterShell, error: BaseException) -> None:
    """Remove a job that was sent and is not submitted, there and here.

    Args:
        prepared: The job.
        shell: A shell of the machine that it was sent to.
        error: Why; it gets to name what cannot be removed.
    """
    take_away(prepared, shell, error)
    shutil.rmtree(prepared.folder, ignore_errors=True)
