"""Submit what was prepared: send it, hand it to the scheduler, and write down what it is."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from typing import Any

from nemo_runspec.execution.jobs.record import JobRecord, job_id, write_record
from nemo_runspec.execution.shells import ClusterShell, SshShell, open_shell
from nemo_runspec.execution.submission.interruptions import not_now
from nemo_runspec.execution.submission.model import PreparedSubmission
from nemo_runspec.execution.submission.preparing import STAGING
from nemo_runspec.execution.submission.sbatch import cancel, hand_over
from nemo_runspec.execution.submission.sending import send_all, take_away
from nemo_runspec.packaging.code import SshTarget


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
            record = _hand_over(sent, shell)
        except BaseException:
            shutil.rmtree(prepared.folder, ignore_errors=True)
            raise
        shutil.rmtree(prepared.folder / STAGING)
    return record


def _hand_over(prepared: PreparedSubmission, shell: ClusterShell) -> JobRecord:
    try:
        scheduler_id = hand_over(prepared, shell)
    except BaseException as error:
        take_away(prepared, shell, error)
        raise
    record = _record(prepared, shell, scheduler_id)
    try:
        write_record(record)
    except BaseException as error:
        cancel(scheduler_id, shell)
        take_away(prepared, shell, error)
        raise
    return record


def _record(prepared: PreparedSubmission, shell: ClusterShell, scheduler_id: str) -> JobRecord:
    plan, place = prepared.plan, prepared.place
    return JobRecord(
        id=job_id(prepared.folder),
        recipe=plan.recipe.name,
        output=plan.output,
        run_dir=prepared.folder,
        profile=prepared.profile.name,
        executor=prepared.profile.executor,
        mode=prepared.mode,
        submitted_at=datetime.now(tz=UTC).isoformat(timespec="milliseconds"),
        job_dir=place.job_dir,
        log_pattern=place.log_pattern,
        scheduler_id=scheduler_id,
        ssh=_reach(shell.target) if isinstance(shell, SshShell) else None,
        experiment_id=place.experiment_id,
        manifest_root=plan.manifest_root,
        wandb=plan.wandb,
    )


def _reach(target: SshTarget) -> dict[str, Any]:
    """How to reach the machine again; no key is in it, only where one lies."""
    known: dict[str, Any] = {
        "host": target.host,
        "user": target.user,
        "port": target.port,
        "identity": None if target.identity is None else str(target.identity),
        "config": None if target.config is None else str(target.config),
        "options": list(target.options),
    }
    return {name: value for name, value in known.items() if value}
