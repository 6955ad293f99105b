"""Show a job as a run of the service that it records in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from nemo_runspec.artifacts.backends import RunBackend, find_backend
from nemo_runspec.artifacts.session import ArtifactTrackingResult


def job_run(tracking: ArtifactTrackingResult, job_type: str) -> AbstractContextManager[object]:
    """Have a W&B run for as long as a block lasts, where the tracking has W&B.

    What is recorded inside belongs to that run. A block that raises ends it as failed.

    Args:
        tracking: The tracking.
        job_type: What kind of job it is, such as ``data-prep``.

    Raises:
        NemotronError: W&B is the only backend, and could not start or end the run.
    """
    if not tracking.wandb:
        return nullcontext()
    backend = find_backend("wandb")
    if not isinstance(backend, RunBackend):
        return nullcontext()
    return backend.job_run(tracking.settings.wandb_section, job_type)
