"""Follow a job to its end: tell what changes, pass on what it prints, know how it ended."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from nemo_runspec.errors import TransferError
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.jobs.status import JobBackend, JobStatus, OutputPosition
from nemo_runspec.run_result import RunResult

_FIRST_PAUSE_S = 0.1
_GROWTH = 1.5
_LONGEST_OUTAGE_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a job is asked about.

    Attributes:
        output_s: Longest time between two looks at what it prints.
        status_s: Longest time between two questions to the scheduler while it runs.
        waiting_s: The same while it waits in the queue.
        settling_s: How long after its end its last lines may still come, over a network's disks.
        patience_s: How long nobody may know of the job before it is given up as lost.
        retry_s: How long to wait after the first failed attempt to reach its machine; then longer.
    """

    output_s: float = 0.2
    status_s: float = 0.2
    waiting_s: float = 0.2
    settling_s: float = 0.0
    patience_s: float = 0.0
    retry_s: float = 1.0


# A scheduler is shared: many who ask it each second are a load.
SCHEDULER_PACE = Pace(output_s=2.0, status_s=6.0, waiting_s=15.0, settling_s=2.0, patience_s=60.0)

# Each question goes over the network.
ENGINE_PACE = Pace(output_s=2.0, status_s=10.0, waiting_s=15.0, patience_s=120.0, retry_s=5.0)


@dataclass(slots=True)
class Listener:
    """Who is told about a job.

    Attributes:
        write: Takes what the job prints.
        tell: Takes a sentence about the job.
    """

    write: Callable[[bytes], None]
    tell: Callable[[str], None]


class Follower:
    """Follows one job; after an interruption :meth:`follow` goes on where it was.

    Args:
        record: The job.
        backend: Who knows about it.
        listener: Who is told.
        pace: How often to ask.
        tail: How many lines to pass on of what it printed before; None for all.
    """

    def __init__(
        self,
        record: JobRecord,
        backend: JobBackend,
        listener: Listener,
        pace: Pace,
        *,
        tail: int | None = None,
    ) -> None:
        self._record = record
        self._backend = backend
        self._listener = listener
        self._pace = pace
        self._position = OutputPosition()
        self._tail = tail
        self._seems_over = False
        self._told: JobStatus | None = None
        self._outage = _Outage(listener.tell, pace.retry_s)
        self._silence = _Silence(listener.tell)
        self._missing_since: float | None = None
        self._pause = threading.Event()

    def follow(self) -> JobStatus:
        """Wait for the job's end.

        A machine that cannot be reached is asked again until it answers; the job does not mind.

        Returns:
            How it ended.

        Raises:
            NemotronError: What is known of the job cannot be used.
        """
        pause_s = _FIRST_PAUSE_S
        next_question = 0.0
        status = JobStatus("unknown")
        while True:
            try:
                if time.monotonic() >= next_question:
                    status = self._ask()
                    next_question = time.monotonic() + min(pause_s, self._longest(status))
                if status.finished and not self._may_turn_up(status):
                    self._drain_to_the_end()
                    return status
                if status.state != "pending" and self._drain():
                    next_question = 0.0
                self._outage.over()
            except TransferError as error:
                self._pause.wait(self._outage.lasts(error))
                continue
            self._pause.wait(min(pause_s, self._pace.output_s))
            pause_s *= _GROWTH

    def result(self) -> RunResult:
        """What the job left in its run directory; its machine is asked until it answers.

        Raises:
            NemotronError: What it left cannot be used.
        """
        while True:
            try:
                result = self._backend.result(self._record)
            except TransferError as error:
                self._pause.wait(self._outage.lasts(error))
                continue
            self._outage.over()
            return result

    def _may_turn_up(self, status: JobStatus) -> bool:
        """Whether a job that nobody knows may yet be found: accounting is late."""
        now = time.monotonic()
        if status.state != "lost":
            self._missing_since = None
            return False
        if self._missing_since is None:
            self._missing_since = now
        return now - self._missing_since < self._pace.patience_s

    def _longest(self, status: JobStatus) -> float:
        slowly = status.state in {"pending", "unknown"}
        return self._pace.waiting_s if slowly else self._pace.status_s

    def _ask(self) -> JobStatus:
        asked_at = time.time()
        status = self._backend.status(self._record)
        if status.state == "unknown":
            self._silence.lasts(status, asked_at)
            return status
        self._silence.over()
        for sentence in changes(self._told, status):
            self._listener.tell(sentence)
        self._told = status
        return status

    def _drain(self) -> bool:
        """Pass on all that there is; whether the job seems to have ended just now."""
        if self._tail is not None:
            self._skip_to_the_tail(self._tail)
        while True:
            chunk = self._backend.read_output(self._record, self._position)
            if not chunk.data:
                news = chunk.ended and not self._seems_over
                self._seems_over = chunk.ended
                return news
            self._listener.write(chunk.data)
            self._position = chunk.position

    def _skip_to_the_tail(self, lines: int) -> None:
        last, position = b"", self._position
        while True:
            chunk = self._backend.read_output(self._record, position)
            if not chunk.data:
                break
            last, position = last_lines(last + chunk.data, lines), chunk.position
        self._listener.write(last)
        self._position, self._tail = position, None

    def _drain_to_the_end(self) -> None:
        self._drain()
        if self._pace.settling_s:
            self._pause.wait(self._pace.settling_s)
            self._drain()


def last_lines(printed: bytes, lines: int) -> bytes:
    """The last lines of what was printed."""
    return b"".join(printed.splitlines(keepends=True)[-lines:] if lines else [])


def changes(before: JobStatus | None, now: JobStatus) -> list[str]:
    """What to tell of a job that was as it was before, and is as it is now.

    Args:
        before: What was told last; None for nothing.
        now: What is known now.
    """
    restarted = before is not None and now.restarts > before.restarts
    again = f"The job was put back into the queue (restart {now.restarts})."
    told = [*([again] if restarted else []), *_of_tasks(before, now)]
    same = before is not None and (before.state, before.reason) == (now.state, now.reason)
    sentence = None if same and not restarted else _sentence(now)
    return told if sentence is None else [*told, sentence]


def _of_tasks(before: JobStatus | None, now: JobStatus) -> list[str]:
    """Which tasks of an array have ended since, and how."""
    if before is None or now.finished:
        return []
    return [
        f"Task {name} {task.state.replace('_', ' ')}.{f' {task.reason}' if task.reason else ''}"
        for name, task in now.tasks.items()
        if task.finished and before.tasks.get(name) != task
    ]


def _sentence(status: JobStatus) -> str | None:
    detail = f" {status.reason}" if status.reason else ""
    if status.state == "pending":
        return f"The job waits.{detail}"
    if status.state == "running":
        return f"The job runs.{detail}"
    return None


class _Silence:
    """A time during which nobody says where the job stands, though its machine can be reached."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._since: float | None = None

    def lasts(self, status: JobStatus, asked_at: float) -> None:
        """Tell it once, with the time of the first question that had no answer."""
        if self._since is not None:
            return
        self._since = asked_at
        since = datetime.fromtimestamp(asked_at).astimezone().strftime("%H:%M:%S")
        why = f" {status.reason}" if status.reason else ""
        self._tell(f"The job's state is not known since {since}.{why} Asking until it is.")

    def over(self) -> None:
        """Tell that it is over, where there was one."""
        if self._since is not None:
            self._tell(f"The job's state is known again after {time.time() - self._since:.0f} s.")
            self._since = None


class _Outage:
    """A time during which the job's machine cannot be reached."""

    def __init__(self, tell: Callable[[str], None], first_pause_s: float) -> None:
        self._tell = tell
        self._first_pause_s = self._pause_s = first_pause_s
        self._began: float | None = None

    def lasts(self, error: TransferError) -> float:
        """Tell it once; how long to wait before the next attempt, in seconds."""
        if self._began is None:
            self._began, self._pause_s = time.monotonic(), self._first_pause_s
            self._tell(f"{error.what} The job goes on; trying again until it answers.")
        pause_s = self._pause_s
        self._pause_s = min(pause_s * 2, _LONGEST_OUTAGE_PAUSE_S)
        return pause_s

    def over(self) -> None:
        """Tell that it is over, where there was one."""
        if self._began is not None:
            self._tell(f"Connected again after {time.monotonic() - self._began:.0f} s.")
            self._began = None
