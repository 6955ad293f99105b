"""The W&B run of this process: start it where one is wanted, tag it, finish it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from nemotron_kit_wandb.config import WandbConfig
from nemotron_kit_wandb.runs import active_run, add_tags
from nemotron_kit_wandb.starting import end_run, start_run

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from wandb import Run

logger = logging.getLogger(__name__)


def init_wandb_if_configured(
    config: WandbConfig | None, *, job_type: str | None = None, tags: Iterable[str] = ()
) -> Run | None:
    """Start a run where the configuration names a project; otherwise do nothing.

    A run that is active already stays, and gets the tags.

    Args:
        config: Where to track.
        job_type: What kind of job this is, such as ``training``.
        tags: Tags beside those of the configuration.

    Returns:
        The active run, or None where tracking is off.

    Raises:
        WandbRunError: The server cannot be reached, or refuses the run, and W&B is the only
            backend. Beside manifests the run is then kept offline, for
            ``nemotron artifacts sync``.
    """
    if config is None or not config.enabled:
        logger.info("W&B is off: no project is configured.")
        return None
    wanted = tuple(dict.fromkeys((*config.tags, *tags)))
    active = active_run()
    if active is not None:
        add_run_tags(wanted)
        return active
    return _start(config, job_type, wanted)


def init_wandb_from_env(*, job_type: str | None = None, tags: Iterable[str] = ()) -> Run | None:
    """Start a run in the project that ``WANDB_PROJECT`` and ``WANDB_ENTITY`` name.

    For scripts inside a container, whose environment the launcher filled. W&B itself reads its
    other variables, ``WANDB_NAME`` or ``WANDB_MODE`` for example.

    Args:
        job_type: What kind of job this is, such as ``data-prep``.
        tags: Tags of the run.

    Returns:
        The active run, or None where ``WANDB_PROJECT`` is not set.

    Raises:
        WandbRunError: The server cannot be reached, or refuses the run, and W&B is the only
            backend. Beside manifests the run is then kept offline, for
            ``nemotron artifacts sync``.
    """
    config = WandbConfig(
        project=os.environ.get("WANDB_PROJECT") or None,
        entity=os.environ.get("WANDB_ENTITY") or None,
    )
    return init_wandb_if_configured(config, job_type=job_type, tags=tags)


def add_run_tags(tags: Iterable[str]) -> None:
    """Add tags to the active run; without one, do nothing.

    Args:
        tags: Tags; those that the run has already are not repeated.
    """
    run = active_run()
    if run is not None:
        add_tags(run, tags)


def log_wandb_config(config: DictConfig | Mapping[str, Any]) -> None:
    """Show a configuration on the active run's page, without its secrets; else do nothing.

    Args:
        config: The configuration; interpolations are shown as they are written.
    """
    from omegaconf import DictConfig, OmegaConf

    from nemo_runspec.config.secrets import redact

    run = active_run()
    if run is None:
        return
    whole = config if isinstance(config, DictConfig) else OmegaConf.create(dict(config))
    shown: Any = OmegaConf.to_container(redact(whole), resolve=False)
    settings: Any = run.config  # untyped in wandb
    settings.update(shown, allow_val_change=True)


def finish_run(exit_code: int = 0) -> None:
    """Finish the active run; without one, do nothing.

    Beside manifests this takes no longer than the server answers: what it did not hear waits in
    the run directory, for ``nemotron artifacts sync``.

    Args:
        exit_code: The job's exit code; anything but 0 marks the run as failed.

    Raises:
        WandbRunError: W&B is the only backend, and its server fell silent.
    """
    run = active_run()
    if run is not None:
        end_run(run, exit_code)


add_wandb_tags = add_run_tags
finish_wandb = finish_run


def _start(config: WandbConfig, job_type: str | None, tags: tuple[str, ...]) -> Run:
    import wandb

    return start_run(
        wandb.init,
        project=config.project,
        entity=config.entity,
        name=config.run_name,
        tags=tags or None,  # None leaves WANDB_TAGS to W&B
        notes=config.notes,
        job_type=job_type,
    )
