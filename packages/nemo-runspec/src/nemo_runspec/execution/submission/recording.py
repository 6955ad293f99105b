"""What is written down of a job once it is submitted."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from nemo_runspec.execution.jobs.record import JobRecord, job_id
from nemo_runspec.execution.submission.model import PreparedSubmission
from nemo_runspec.packaging.code import SshTarget


def record_of(
    prepared: PreparedSubmission, scheduler_id: str | None, *, ssh: Mapping[str, Any] | None = None
) -> JobRecord:
    """Describe a job that was submitted.

    Args:
        prepared: The job.
        scheduler_id: What its scheduler calls it; None before it is submitted.
        ssh: How to reach the machine that it was submitted on; None for this one.
    """
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
        ssh=ssh,
        experiment_id=place.experiment_id,
        manifest_root=plan.manifest_root,
        wandb=plan.wandb,
    )


def reach_of(target: SshTarget) -> dict[str, Any]:
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
