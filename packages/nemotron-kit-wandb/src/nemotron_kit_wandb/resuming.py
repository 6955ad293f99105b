"""Reach a W&B run that is over: resume it for what is told late, and leave it as it is."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nemotron_kit_wandb.calling import WandbUnreachableError, within
from nemotron_kit_wandb.client import end_core, forget_core
from nemotron_kit_wandb.client_errors import first_line
from nemotron_kit_wandb.credentials import find_server
from nemotron_kit_wandb.outbox import KnownRun
from nemotron_kit_wandb.publishing import WandbPublishError
from nemotron_kit_wandb.reach import Attendance, attended
from nemotron_kit_wandb.records import RunIdentity, WandbRecord
from nemotron_kit_wandb.replaying import Replayed, replay
from nemotron_kit_wandb.runs import add_tags
from nemotron_kit_wandb.shown import Shown

if TYPE_CHECKING:
    from wandb import Api, Run

logger = logging.getLogger(__name__)

T = TypeVar("T")

_ASK_S = 30
_ARRIVES_S = 30.0
_LONGEST_S = 3600.0
_KILLED = 1
_NO_STEP = -1
_PAUSE_S = 1.0


class ResumedRuns:
    """The W&B runs that a delivery needs, one open at a time."""

    def __init__(self) -> None:
        self._open: Run | None = None
        self._identity: RunIdentity | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="nemotron-wandb-")

    def close(self) -> None:
        """Leave the open run as it was found."""
        run, self._open, self._identity = self._open, None, None
        if run is not None:
            _attended(run.finish, f"end the run {run.id}")
        self._folder.cleanup()

    def abandon(self) -> None:
        """Leave everything at once: what was not confirmed is delivered again another time."""
        end_core()
        forget_core()
        self._open = None
        self._folder.cleanup()

    @contextmanager
    def run_for(self, record: WandbRecord) -> Iterator[Run]:
        """The run that a record belongs to, online; one of its own where it belongs to none.

        Args:
            record: The record.

        Raises:
            WandbPublishError: W&B does not open it, or fails in the block.
            WandbUnreachableError: The server fell silent.
        """
        identity = record.run or record.own_run()
        if self._open is None or self._identity != identity:
            if self._open is not None:
                _attended(self._open.finish, "end a run")
            self._open = self._resume(identity, exists=self.has_run(identity))
            self._identity = identity
        cut_off = threading.Event()
        try:
            with attended(Attendance(longest_s=_LONGEST_S), cut_off):
                yield self._open
        except Exception as error:
            if cut_off.is_set():
                self._open = None
                forget_core()
                raise _silent() from error
            raise

    def tell_end(
        self,
        identity: RunIdentity,
        how: Mapping[str, Any],
        log: Path | None = None,
        folder: str | Path = "",
    ) -> None:
        """Tell of a run what the server did not hear: its last metrics, and how it ended.

        Args:
            identity: The run.
            how: ``exit_code``, ``summary``, ``config`` and ``tags``.
            log: The client's log of it, where it is known.
            folder: The client's own folder of it.

        Raises:
            WandbPublishError: The server did not take it, or the log cannot be read.
            WandbUnreachableError: The server fell silent.
        """
        if self._open is not None:
            _attended(self._open.finish, "end a run")
            self._open = None
        exists = self.has_run(identity)
        heard = self._last_step(identity) if exists else _NO_STEP
        run = self._resume(identity, exists=exists, ends=True)
        what = f"take the metrics of {identity.id}"
        step = _attended(lambda: _tell(run, how, log, Path(folder, "files"), heard), what)
        code = int(how.get("exit_code") or 0)
        _attended(lambda: run.finish(exit_code=code), f"end the run {identity.id}")
        self._require_step(identity, step)

    def _last_step(self, identity: RunIdentity) -> int:
        """The last step that the server has a row of metrics for; -1 where it has none."""

        def ask() -> int:
            step: int = self._api.run(path_of(identity)).lastHistoryStep
            return step

        found = self._found(ask, f"tell the steps of {identity.id}")
        return _NO_STEP if found is None else found

    def _require_step(self, identity: RunIdentity, step: int) -> None:
        until = time.monotonic() + _ARRIVES_S
        while (heard := self._last_step(identity)) < step:
            if time.monotonic() > until:
                raise WandbPublishError(
                    f"W&B has the metrics of {path_of(identity)} up to step {heard} of {step}.",
                    hint="Sync again later.",
                )
            time.sleep(_PAUSE_S)

    def has_run(self, identity: RunIdentity) -> bool:
        """Whether the server knows a run."""
        return (
            self._found(lambda: self._api.run(path_of(identity)), f"find {identity.id}") is not None
        )

    def make_sure_of(self, identity: RunIdentity) -> None:
        """Make a run that was uploaded and is not there: of a killed job the client kept nothing.

        Args:
            identity: The run.
        """
        if not self.has_run(identity):
            self.tell_end(identity, {"exit_code": _KILLED})

    def require_run(self, identity: RunIdentity) -> None:
        """Make sure that the server knows a run.

        Raises:
            WandbPublishError: It does not.
        """
        if not self.has_run(identity):
            raise WandbPublishError(f"W&B does not have the run {path_of(identity)}.")

    def has_version(self, name: str, near: WandbRecord) -> bool:
        """Whether the server knows a version.

        Args:
            name: Its full name, or as much of it as is known.
            near: What was made from it: a bare name is of the same project.
        """
        full = name
        if "/" not in name:
            owner = [part for part in (near.entity, near.project) if part]
            full = "/".join((*owner, name))
        return self._found(lambda: self._api.artifact(full), f"find {full}") is not None

    @cached_property
    def _api(self) -> Api:
        import wandb

        return wandb.Api(timeout=_ASK_S)

    def _found(self, ask: Callable[[], T], what: str) -> T | None:
        import wandb

        try:
            return within(_ASK_S, ask, what=what)
        except (wandb.Error, ValueError) as error:
            if _is_absence(error):
                return None
            raise WandbPublishError(f"W&B does not {what} ({first_line(error)}).") from error

    def _resume(self, identity: RunIdentity, *, exists: bool, ends: bool = False) -> Run:
        import wandb

        settings = wandb.Settings(
            # Its state, exit code and summary are its own job's to tell.
            x_update_finish_state=ends or not exists,
            x_disable_stats=True,
            console="off",
            silent=True,
            disable_git=True,
            x_save_requirements=False,
            init_timeout=_ASK_S,
        )
        made_anew: dict[str, Any] = {} if exists else _described(identity)
        shown = self._shown(identity) if exists else Shown()
        run = _attended(
            lambda: wandb.init(
                id=identity.id,
                project=identity.project,
                entity=identity.entity,
                mode="online",
                dir=self._folder.name,
                resume="must" if exists else "allow",
                reinit="create_new",
                settings=settings,
                **made_anew,
            ),
            f"open the run {identity.id}",
        )
        _attended(lambda: shown.show_again(run), f"show the metrics of {identity.id}")
        return run

    def _shown(self, identity: RunIdentity) -> Shown:
        import wandb

        def ask() -> Shown:
            # Another time than before: the client keeps what it was told.
            return Shown.of(wandb.Api(timeout=_ASK_S).run(path_of(identity)))

        return self._found(ask, f"show the metrics of {identity.id}") or Shown()


def _tell(run: Run, how: Mapping[str, Any], log: Path | None, files: Path, heard: int) -> int:
    """Tell it; return the last step that the server must then have."""
    config: Any = run.config  # untyped in wandb
    config.update(dict(how.get("config") or {}), allow_val_change=True)
    add_tags(run, how.get("tags") or ())
    told = Replayed() if log is None else replay(log, run, after=heard, files=files)
    if not told.whole:  # what the job itself knew at its end is more
        run.summary.update(dict(how.get("summary") or {}))
    return heard if told.last_step is None else told.last_step


def confirm(record: WandbRecord, run: Run) -> None:
    """Ask the server whether it has a record, whatever the client says.

    Args:
        record: The record, just published.
        run: The run that it belongs to.

    Raises:
        WandbPublishError: It does not.
    """
    import wandb

    if record.artifact is None or not record.aliases:
        return
    name = f"{run.entity}/{run.project}/{record.artifact.name}:{record.aliases[0]}"
    try:
        within(_ASK_S, lambda: wandb.Api(timeout=_ASK_S).artifact(name), what=f"find {name}")
    except (wandb.Error, ValueError) as error:
        raise WandbPublishError(
            f"W&B said that it has {name}, and does not find it ({first_line(error)})."
        ) from error


def upload_offline_run(run: KnownRun) -> None:
    """Upload what the client kept of a run that no server heard of.

    Args:
        run: The run.

    Raises:
        WandbPublishError: Its files are gone, or the client does not upload them.
        WandbUnreachableError: The server fell silent.
    """
    if not Path(run.folder).is_dir():
        raise WandbPublishError(
            f"The files of the offline run are gone: {run.folder}.",
            hint="Remove its file in wandb-outbox/runs: then it is made anew, without metrics.",
        )
    environment = {key: value for key, value in os.environ.items() if key != "WANDB_SERVICE"}
    client = subprocess.Popen(  # noqa: S603 - the installed client
        [sys.executable, "-m", "wandb", "sync", "--include-synced", run.folder],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    done = threading.Event()
    said: list[str] = []

    def listen() -> None:
        said.append(client.communicate()[0] or "")
        done.set()

    threading.Thread(target=listen, daemon=True).start()
    try:
        if not Attendance(longest_s=_LONGEST_S).wait(done):
            raise _silent()
    finally:
        client.kill()
    if client.returncode != 0:
        last = (said[0].strip().splitlines() or ["it says nothing"])[-1]
        raise WandbPublishError(f"`wandb sync` does not upload the offline run ({last}).")


def _attended(call: Callable[[], T], what: str) -> T:
    """Call the client for as long as the server answers."""
    import wandb

    cut_off = threading.Event()
    try:
        with attended(Attendance(longest_s=_LONGEST_S), cut_off):
            return call()
    except Exception as error:
        if cut_off.is_set():
            forget_core()
            raise _silent() from error
        if isinstance(error, wandb.Error | ValueError | OSError):
            raise WandbPublishError(f"W&B does not {what} ({first_line(error)}).") from error
        raise


def _silent() -> WandbUnreachableError:
    return WandbUnreachableError(f"W&B at {find_server()} fell silent.", hint="Sync again later.")


def _described(identity: RunIdentity) -> dict[str, Any]:
    return {
        "name": identity.name,
        "job_type": identity.job_type,
        "group": identity.group,
        "notes": identity.notes,
        "tags": identity.tags or None,
    }


def path_of(identity: RunIdentity) -> str:
    """``entity/project/id``, as far as it is known."""
    return "/".join(part for part in (identity.entity, identity.project, identity.id) if part)


def _is_absence(error: Exception) -> bool:
    # The words around these are others in each version of the client.
    text = str(error).lower()
    return "not found" in text or "could not find" in text
