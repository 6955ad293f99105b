"""Deliver records while the job runs, on a thread that nobody waits for."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_runspec.errors import NemotronError
from nemo_runspec.json_values import json_value
from nemotron_kit_wandb.calling import WandbUnreachableError, within
from nemotron_kit_wandb.client import end_core, forget_core
from nemotron_kit_wandb.outbox import Entry, Outbox, own_outbox
from nemotron_kit_wandb.publishing import WandbPublishError, publish
from nemotron_kit_wandb.reach import Attendance, answers
from nemotron_kit_wandb.records import WandbRecord
from nemotron_kit_wandb.run_log import write_out
from nemotron_kit_wandb.runs import active_run, ending, known_run, mode_of

if TYPE_CHECKING:
    from wandb import Run

logger = logging.getLogger(__name__)

PUBLISH_S = 120.0
_LOOK_S = 2.0
_TELL_S = 1.0
_SETTLE_S = 30.0
_LONGEST_EXIT_S = 300.0


def publish_wholly(record: WandbRecord, run: Run) -> str | None:
    """Put a record into W&B with all its edges.

    Args:
        record: What to record.
        run: The run that it belongs to, online.

    Returns:
        Its page.

    Raises:
        WandbPublishError: The server refused it, or does not have what it was made from.
    """
    published = publish(record, run, timeout_s=PUBLISH_S)
    if published.unlinked:
        raise WandbPublishError(
            f"W&B does not have {', '.join(published.unlinked)}, which {record.what} came from.",
            where=f"{run.entity}/{run.project}",
        )
    return published.url


class Courier:
    """Takes records, keeps them in an outbox, and delivers them through the active run.

    What cannot be delivered now stays in the outbox, for a later attempt or for
    ``nemotron artifacts sync``.

    Args:
        outbox: Where records wait.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._unwritten: list[WandbRecord] = []
        self._refused: set[Path] = set()
        self._read: dict[Path, Entry] = {}
        self._silent_until = 0.0
        self._known: set[str] = set()
        self._attended: set[str] = set()
        self._store: str | None = None
        self._wake, self._settled = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._ends, self._ended = threading.Event(), threading.Event()
        self._cut_off = threading.Event()
        self._ending: tuple[Run, Attendance, dict[str, Any]] | None = None

    def beside(self, manifest_root: str | None) -> None:
        """Say which manifest store the records stand beside."""
        self._store = manifest_root

    def hand_over(self, record: WandbRecord) -> None:
        """Take a record: write it down, and leave the rest to another thread. Never raises."""
        try:
            self._outbox.put(record)
            self._outbox.note_store(self._store)
        except OSError as error:
            logger.warning(
                "%s is not kept for W&B (%s: %s). If it does not arrive there, run `nemotron "
                "artifacts sync %s`.",
                *(record.what, error.strerror or error, self._outbox.folder, record.what),
            )
            self._unwritten.append(record)
        run = active_run()
        if run is not None:
            self._attend(run.id)  # the process may end before the other thread sees the run
        self.start()

    def start(self) -> None:
        """Look now whether something can be delivered, and again from time to time."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._go_on, name="nemotron-wandb-courier", daemon=True
                )
                self._thread.start()
        self._wake.set()

    def announce(self, run: Run) -> None:
        """Note which run the job has: records of processes without one belong to it."""
        with self._lock:
            if run.id in self._known:
                return
            self._known.add(run.id)
        try:
            self._outbox.note_run(known_run(run))
        except OSError as error:
            logger.warning("The W&B run %s is not noted: %s", run.id, error)
        self._attend(run.id)

    def _attend(self, run_id: str) -> None:
        """Be there when the process ends with this run."""
        with self._lock:
            if run_id in self._attended:
                return
            self._attended.add(run_id)
        # Started now: not every Python starts a thread while it exits.
        threading.Thread(target=self._watch_end, args=(run_id,), daemon=True).start()
        # Registered after the client's own hook, and therefore called before it.
        atexit.register(self._at_exit, run_id)

    def settle(self, attendance: Attendance) -> None:
        """Wait until all is delivered that can be, for as long as the server answers.

        What a slow server does not take in half a minute waits in the outbox.
        """
        run = active_run()
        if run is None or mode_of(run) != "online":
            return
        until = time.monotonic() + _SETTLE_S
        while self._waiting(run) or self._unwritten:
            self._settled.clear()
            self.start()
            if not attendance.wait(self._settled, until=until):
                return

    def ended(self, run_id: str, cut_off: dict[str, object] | None = None) -> None:
        """Note that a run ended, and how where the server did not hear it."""
        try:
            self._outbox.end_run(run_id, cut_off)
        except OSError as error:
            logger.warning("The end of the W&B run %s is not noted: %s", run_id, error)

    def keep_log(self, run: Run) -> None:
        """Keep what the client holds of a run and the server has not heard. Never raises."""
        try:
            log = write_out(run)
            if log is not None:
                self._outbox.keep_log(log)
        except Exception as error:  # whatever the client raises, it is ended next
            logger.warning("The metrics of the W&B run %s are not kept: %s", run.id, error)
            logger.debug("Keeping the log failed.", exc_info=True)

    def _go_on(self) -> None:
        while True:
            try:
                self._round()
            except Exception:  # whatever happens here, records wait in their files
                logger.exception("Delivering to W&B failed; it is tried again.")
            self._wake.wait(_LOOK_S)
            self._wake.clear()

    def _round(self) -> None:
        run = active_run()
        if run is None or mode_of(run) == "disabled":
            return
        self.announce(run)
        if mode_of(run) == "offline":
            return
        if time.monotonic() < self._silent_until:
            return
        waiting = self._waiting(run)
        if waiting and not answers():
            self._silent_until = time.monotonic() + _LOOK_S
            return
        for entry in waiting:
            if not self._deliver(entry, run):
                return
        while self._unwritten:
            publish_wholly(self._unwritten[0], run)
            self._unwritten.pop(0)
        if self._waiting(run):  # handed over since this round began
            self._wake.set()
        else:
            self._settled.set()

    def _waiting(self, run: Run) -> list[Entry]:
        found = []
        entries = self._outbox.entries(self._read)
        self._read = {entry.file: entry for entry in entries}
        for entry in entries:
            if entry.record is None or entry.file in self._refused:
                continue
            if entry.record.run is None or entry.record.run.id == run.id:
                found.append(entry)
        return found

    def _deliver(self, entry: Entry, run: Run) -> bool:
        """Deliver one record; return whether to go on with the next."""
        with self._outbox.exclusively():
            if entry.record is None or not entry.file.exists():
                return True
            try:
                url = publish_wholly(entry.record, run)
            except WandbUnreachableError:
                return False
            except NemotronError as error:
                if not answers():
                    return False
                logger.warning("%s waits for W&B: %s", entry.what, error)
                self._refused.add(entry.file)
                return True
            self._outbox.done(entry.file, entry.record, url)
        return True

    def _at_exit(self, run_id: str) -> None:
        run = active_run()
        if run is None or run.id != run_id:
            return
        attendance = Attendance(longest_s=_LONGEST_EXIT_S)
        self.settle(attendance)
        if mode_of(run) == "offline":
            self.ended(run_id)
            return
        how = how_it_ended(run, None)
        self._ending = run, attendance, how
        self._ends.set()
        try:
            # The client's own hook would close the way to what it holds before that is told.
            with ending():
                run.finish(exit_code=how["exit_code"])
        except Exception:  # the client's own: whatever it was, the process ends
            logger.debug("The W&B run %s was not finished.", run_id, exc_info=True)
        self._ended.set()
        if self._cut_off.is_set():
            forget_core()

    def _watch_end(self, run_id: str) -> None:
        """End the client where the server is silent; it would wait without end."""
        self._ends.wait()
        if self._ending is None or self._ending[0].id != run_id:
            return
        run, attendance, how = self._ending
        if not attendance.wait(self._ended):
            self._cut_off.set()
            self.ended(run_id, how)
            self.keep_log(run)
            end_core()


def how_it_ended(run: Run, exit_code: int | None) -> dict[str, Any]:
    """What is told to the server later, where it cannot hear now how a run ended.

    Args:
        run: The run, before it is finished.
        exit_code: The job's exit code; by default what the client knows of it.
    """
    code = _exit_code() if exit_code is None else exit_code
    return {
        "exit_code": code,
        "config": _plain(dict(run.config)),
        "summary": _summary_of(run),
        "tags": list(run.tags or ()),
    }


def _summary_of(run: Run) -> dict[str, Any]:
    """What the client's own process holds; nothing where the server keeps it too busy to tell."""

    def read() -> dict[str, Any]:
        return _plain(dict(run.summary))

    try:
        return within(_TELL_S, read, what="tell the summary")
    except RuntimeError:  # not every Python starts a thread while it exits
        return read()
    except Exception:  # the client's own: the exit code is worth keeping alone
        logger.debug("The summary of the W&B run %s cannot be read.", run.id, exc_info=True)
        return {}


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json_value(
        {key: value for key, value in values.items() if not key.startswith("_")}
    )
    return plain


def _exit_code() -> int:
    """What ``sys.exit`` was given, or 1 after an exception: the client listens there."""
    hooks = getattr(sys.exit, "__self__", None)
    code = getattr(hooks, "exit_code", 0)
    return code if isinstance(code, int) else 1


@cache
def _courier(_process_id: int, run_dir: Path) -> Courier:
    return Courier(Outbox(run_dir))


def courier_of(run_dir: Path | None = None) -> Courier:
    """The courier of this process for a run directory.

    Args:
        run_dir: The run directory; by default the job's, else one of the process's own.
    """
    return _courier(os.getpid(), own_outbox(run_dir).run_dir)
