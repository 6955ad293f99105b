"""Ask the tracking backends of a job, before it starts, what would stop it."""

from __future__ import annotations

from dataclasses import replace

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts.backends import AdvisingBackend, Preflight, find_backend
from nemo_runspec.artifacts.settings import read_settings
from nemo_runspec.errors import ExecutionError, MissingDependencyError

_WANDB = "wandb"
_LATER = "What is recorded waits in the run directory until `nemotron artifacts sync` delivers it."


def check_backends(job: DictConfig) -> Preflight:
    """Check the service that a job records in, where it records in one.

    Where manifests are written too, a service that cannot be reached is warned about: it costs no
    record. Where it is the only backend, the job would be lost.

    Args:
        job: The job's configuration.

    Returns:
        What the user should know, and the variables that the job needs.

    Raises:
        NemotronError: The job could not record; one sentence, with the cure.
    """
    settings = read_settings(job)
    if not settings.wandb:
        return Preflight(warnings=_advice(job))
    checked = find_backend(_WANDB).preflight(settings.wandb_section)
    if checked.unreachable is None:
        return checked
    if settings.root is None:
        raise ExecutionError(
            checked.unreachable,
            where="artifacts.wandb",
            hint="Try again when it answers, or record manifests too: set "
            "artifacts.manifest.root=PATH.",
        )
    warnings = (*checked.warnings, f"{checked.unreachable} {_LATER}")
    return replace(checked, warnings=warnings)


def _advice(job: DictConfig) -> tuple[str, ...]:
    """What an installed backend says where the configuration does not speak of it."""
    if OmegaConf.select(job, f"artifacts.{_WANDB}") is not None:
        return ()
    try:
        backend = find_backend(_WANDB)
    except MissingDependencyError:
        return ()
    return tuple(backend.advice()) if isinstance(backend, AdvisingBackend) else ()
