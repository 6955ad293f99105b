"""Start and end the W&B run so that an outage costs the job no more than a moment."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_runspec.errors import NemotronError
from nemotron_kit_wandb.client import end_core, forget_core
from nemotron_kit_wandb.client_errors import first_line
from nemotron_kit_wandb.credentials import find_mode, find_server
from nemotron_kit_wandb.deferred import beside_manifests
from nemotron_kit_wandb.delivery import courier_of, how_it_ended
from nemotron_kit_wandb.outbox import own_outbox
from nemotron_kit_wandb.reach import Attendance, answers, attended
from nemotron_kit_wandb.run_log import write_out
from nemotron_kit_wandb.runs import announce_run, mode_of

if TYPE_CHECKING:
    from wandb import Run

logger = logging.getLogger(__name__)

_ONLINE = "online"
_LONGEST_START_S = 60.0
_SILENCE_ALONE_S = 60.0


class WandbRunError(NemotronError):
    """W&B could not start a run, or not end it."""


def start_run(init: Callable[..., Any], /, *args: Any, **arguments: Any) -> Run:
    """Start a run as ``wandb.init`` does; beside manifests offline where the server is silent.

    Args:
        init: ``wandb.init``.
        args: Positional arguments for it.
        arguments: Keyword arguments for it.

    Returns:
        The run. One that was started offline is uploaded by ``nemotron artifacts sync``.

    Raises:
        WandbRunError: The server cannot be reached, or refuses the run, and W&B is the only
            backend.
    """
    if not beside_manifests():
        return _start_alone(init, args, arguments)
    run = _start_beside_manifests(init, args, arguments)
    courier = courier_of()
    courier.announce(run)
    courier.start()
    return run


def _start_alone(init: Callable[..., Any], args: tuple[Any, ...], arguments: dict[str, Any]) -> Run:
    import wandb

    try:
        run: Run = init(*args, **arguments)
    except wandb.Error as error:
        entity, project = arguments.get("entity"), arguments.get("project")
        raise WandbRunError(
            f"W&B could not start a run ({first_line(error)}).",
            where=f"{entity or '(default entity)'}/{project}",
            hint="Check `wandb login`, or set WANDB_MODE=offline to track without a server.",
        ) from error
    announce_run(run)
    return run


def _start_beside_manifests(
    init: Callable[..., Any], args: tuple[Any, ...], arguments: dict[str, Any]
) -> Run:
    if (arguments.get("mode") or find_mode()) != _ONLINE:
        started: Run = init(*args, **arguments)
        return started
    problem = "it does not answer"
    if answers():
        run, problem = _start_online(init, args, arguments)
        if run is not None:
            return run
    outbox = own_outbox()
    logger.warning(
        "The W&B run is started offline, for %s cannot be used now (%s). Later, "
        "`nemotron artifacts sync %s` uploads it.",
        *(find_server(), problem, outbox.run_dir),
    )
    return _start_offline(init, args, arguments, outbox.folder)


def _start_offline(
    init: Callable[..., Any], args: tuple[Any, ...], arguments: dict[str, Any], folder: Path
) -> Run:
    """Start it without a server, its files beside the records; where even that fails, for show."""
    place = Path(arguments.get("dir") or folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
        run: Run = init(*args, **{**arguments, "mode": "offline", "dir": str(place)})
    except Exception:  # a full disk, for example: the job goes on without it
        logger.exception("The W&B run is not started offline either; its metrics are not kept.")
        run = init(*args, **{**arguments, "mode": "disabled"})
    return run


def _start_online(
    init: Callable[..., Any], args: tuple[Any, ...], arguments: dict[str, Any]
) -> tuple[Run | None, str]:
    """Start it, for as long as the server answers; else say why there is no run."""
    cut_off = threading.Event()
    try:
        with attended(Attendance(longest_s=_LONGEST_START_S), cut_off):
            return init(*args, **arguments), ""
    except Exception as error:  # whatever the client raises, the job goes on without it
        logger.debug("W&B did not start the run.", exc_info=True)
        end_core()  # it may hold the run's id
        forget_core()
        return None, "it fell silent" if cut_off.is_set() else first_line(error)


def end_run(run: Run, exit_code: int | None) -> None:
    """Finish a run, for as long as the server answers.

    Args:
        run: The run.
        exit_code: The job's exit code; None where the client knows it.

    Raises:
        WandbRunError: The server fell silent, and W&B is the only backend.
    """
    if not beside_manifests():
        _end_alone(run, exit_code)
        return
    courier, attendance = courier_of(), Attendance()
    courier.settle(attendance)
    how = None if mode_of(run) != _ONLINE else how_it_ended(run, exit_code)
    heard = _finish(run, exit_code, attendance, lambda: courier.keep_log(run))
    courier.ended(run.id, None if heard else how)
    if not heard:
        logger.warning(
            "W&B did not hear the end of the run %s; `nemotron artifacts sync %s` tells it.",
            *(run.id, own_outbox().run_dir),
        )


def _end_alone(run: Run, exit_code: int | None) -> None:
    attendance = Attendance(silence_s=_SILENCE_ALONE_S, longest_s=3600.0)
    if not _finish(run, exit_code, attendance, lambda: write_out(run)):
        raise WandbRunError(
            "W&B did not hear the end of the run: its server does not answer.",
            where=f"{run.entity}/{run.project}/{run.id}",
            hint=f"Upload what was kept with `wandb sync {run.settings.sync_dir}`.",
        )


def _finish(
    run: Run, exit_code: int | None, attendance: Attendance, keep: Callable[[], object]
) -> bool:
    """Finish a run; return whether the server heard it. What it did not is kept first."""
    if mode_of(run) != _ONLINE:
        run.finish(exit_code=exit_code)
        return True
    cut_off = threading.Event()
    try:
        with attended(attendance, cut_off, keep):
            run.finish(exit_code=exit_code)
    except Exception:  # the client's own; where it was not ended, it is the caller's
        if not cut_off.is_set():
            raise
        logger.debug("The W&B client was ended.", exc_info=True)
    if cut_off.is_set():
        forget_core()
    return not cut_off.is_set()
