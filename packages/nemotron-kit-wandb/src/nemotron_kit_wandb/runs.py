"""The run that a record belongs to: the one of this process, or one that is opened for it."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_runspec.distributed.folders import run_directory
from nemotron_kit_wandb.client import leave_parents_core
from nemotron_kit_wandb.outbox import KnownRun, own_outbox, process_name
from nemotron_kit_wandb.records import RunIdentity, WandbRecord

if TYPE_CHECKING:
    from wandb import Run

logger = logging.getLogger(__name__)

_STARTS_ITS_OWN: ContextVar[bool] = ContextVar("starts_its_own", default=False)
_ENDS: ContextVar[bool] = ContextVar("ends", default=False)

# Modes of the client in which no server hears of anything.
UNHEARD = frozenset({"offline", "disabled"})


def starts_its_own() -> bool:
    """Whether the run that is started now is this package's own, and not one of the job."""
    return _STARTS_ITS_OWN.get()


def is_ending() -> bool:
    """Whether a run is being ended with all that belongs to it: see :func:`ending`."""
    return _ENDS.get()


@contextmanager
def ending() -> Iterator[None]:
    """Let the client's own ``finish`` be what ends a run, within the block."""
    token = _ENDS.set(True)
    try:
        yield
    finally:
        _ENDS.reset(token)


def active_run() -> Run | None:
    """The run of this process; wandb is not imported for it."""
    # Where nobody imported wandb there is no run, and importing it costs over a second.
    wandb = sys.modules.get("wandb")
    return None if wandb is None else getattr(wandb, "run", None)


def add_tags(run: Run, tags: Iterable[str]) -> None:
    """Add tags to a run; those that it has already are not repeated.

    Args:
        run: The run.
        tags: The tags.
    """
    before = tuple(run.tags or ())
    after = tuple(dict.fromkeys((*before, *tags)))
    if after != before:
        run.tags = after


def mode_of(run: Run) -> str:
    """Where a run goes: ``online``, ``offline`` or ``disabled``."""
    if run.disabled:
        return "disabled"
    return "offline" if run.offline else "online"


def known_run(run: Run) -> KnownRun:
    """Take down a run of this process for the others of its job."""
    return KnownRun(
        identity=RunIdentity.of(run),
        folder=str(Path(run.settings.sync_dir).absolute()),
        offline=mode_of(run) == "offline",
        url=run.url or None,
        process=process_name(),
    )


def announce_run(run: Run) -> None:
    """Let the job's processes that have no run record in this one.

    Without a run directory they have nothing in common, and nothing is noted; neither is a run
    that no server hears of.
    """
    run_dir = run_directory()
    if run_dir is None or mode_of(run) in UNHEARD:
        return
    try:
        own_outbox(run_dir).note_run(known_run(run))
    except OSError as error:
        logger.warning("The W&B run %s is not noted: %s", run.id, error)


def announced_run() -> RunIdentity | None:
    """The latest run that a process of this job announced."""
    run_dir = run_directory()
    known = () if run_dir is None else own_outbox(run_dir).runs()
    return next((run.identity for run in reversed(known) if not run.offline), None)


@contextmanager
def run_of(record: WandbRecord, *, timeout_s: float) -> Iterator[Run]:
    """The run that a record belongs to.

    That is the run of this process; or one of another process, which goes on as it is; or one
    for the record alone.

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
    run = _made(record, timeout_s) if record.run is None else _joined(record.run, timeout_s)
    try:
        yield run
    finally:
        run.finish()


def _made(record: WandbRecord, timeout_s: float) -> Run:
    own = record.own_run()
    return _started(own, timeout_s, name=own.name, job_type=own.job_type, resume="allow")


def _joined(identity: RunIdentity, timeout_s: float) -> Run:
    leave_parents_core()  # it knows the run, and would not take it a second time
    # How it ends is for its own process to tell.
    return _started(identity, timeout_s, resume="must", ends=False)


def _started(
    identity: RunIdentity, timeout_s: float, *, ends: bool = True, **arguments: Any
) -> Run:
    import wandb

    settings = wandb.Settings(
        init_timeout=timeout_s,
        console="off",
        silent=True,
        disable_git=True,
        x_disable_stats=True,
        x_update_finish_state=ends,
    )
    token = _STARTS_ITS_OWN.set(True)
    try:
        return wandb.init(
            id=identity.id,
            project=identity.project,
            entity=identity.entity,
            reinit="create_new",  # whoever calls wandb.init later gets a run of their own
            settings=settings,
            **arguments,
        )
    finally:
        _STARTS_ITS_OWN.reset(token)
