"""The run of a job, for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from nemotron_kit_wandb.config import WandbConfig, load_wandb_config
from nemotron_kit_wandb.run import finish_run, init_wandb_if_configured
from nemotron_kit_wandb.runs import active_run

_FAILED = 1


@contextmanager
def job_run(settings: Mapping[str, Any], job_type: str) -> Iterator[None]:
    """Start a run, and finish it with the block; one that is active already is left alone.

    Args:
        settings: ``project`` and ``entity``, those that are known; what else ``[wandb]`` in
            env.toml says of a run holds too.
        job_type: What kind of job it is, such as ``data-prep``.

    Raises:
        WandbRunError: W&B is the only backend, and could not start or end the run.
    """
    if active_run() is not None:
        yield
        return
    configured = load_wandb_config() or WandbConfig()
    init_wandb_if_configured(replace(configured, **settings), job_type=job_type)
    try:
        yield
    except BaseException as error:
        finish_run(exit_code=_exit_code(error))
        raise
    finish_run()


def _exit_code(error: BaseException) -> int:
    code = getattr(error, "code", getattr(error, "exit_code", _FAILED))
    return code if isinstance(code, int) else _FAILED
