"""The run that a record belongs to: the one of this process, or one that is opened for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from nemotron_kit_wandb.records import WandbRecord

if TYPE_CHECKING:
    from wandb import Run


_STARTS_ITS_OWN: ContextVar[bool] = ContextVar("starts_its_own", default=False)


# Modes of the client in which no server hears of anything.
UNHEARD = frozenset({"offline", "disabled"})


def starts_its_own() -> bool:
    """Whether the run that is started now is this package's own, and not one of the job."""
    return _STARTS_ITS_OWN.get()


def active_run() -> Run | None:
    """The run of this process; wandb is not imported for it."""
    # Where nobody imported wandb there is no run, and importing it costs over a second.
    wandb = sys.modules.get("wandb")
    return None if wandb is None else getattr(wandb, "run", None)


def mode_of(run: Run) -> str:
    """Where a run goes: ``online``, ``offline`` or ``disabled``."""
    if run.disabled:
        return "disabled"
    return "offline" if run.offline else "online"


@contextmanager
def run_of(record: WandbRecord, *, timeout_s: float) -> Iterator[Run]:
    """The run that a record belongs to: that of this process, else one for the record alone.

    Args:
        record: The record.
        timeout_s: How long starting a run may take.

    Raises:
        wandb.Error: It cannot be started.
    """
    active = active_run()
    if active is not None and record.run is not None and active.id == record.run.id:
        yield active
        return
    import wandb

    own = record.own_run()
    settings = wandb.Settings(
        init_timeout=timeout_s,
        console="off",
        silent=True,
        disable_git=True,
        x_disable_stats=True,
    )
    token = _STARTS_ITS_OWN.set(True)
    try:
        run = wandb.init(
            id=own.id,
            project=own.project,
            entity=own.entity,
            name=own.name,
            job_type=own.job_type,
            resume="allow",
            reinit="create_new",  # whoever calls wandb.init later gets a run of their own
            settings=settings,
        )
    finally:
        _STARTS_ITS_OWN.reset(token)
    try:
        yield run
    finally:
        run.finish()
