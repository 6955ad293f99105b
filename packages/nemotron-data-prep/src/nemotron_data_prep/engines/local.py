"""The local engine: processes of this machine, or this very process for little work."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

from nemotron_data_prep.engines.serving import GONE, serve
from nemotron_data_prep.engines.work import Attempt, Died, Engine, Job, Outcome, carry_out
from nemotron_data_prep.plan import Shard

_WORTH_A_PROCESS_BYTES = 4 << 20


def local_engine(workers: int | None, cores_per_shard: int, shards: Sequence[Shard]) -> Engine:
    """Choose between processes and none.

    Args:
        workers: Processes; None chooses by cores and size of the work.
        cores_per_shard: Cores that one process keeps busy.
        shards: What is to be done.
    """
    processes = _processes(workers, cores_per_shard, shards)
    return InlineEngine() if processes == 1 else ProcessEngine(processes)


def _processes(workers: int | None, cores_per_shard: int, shards: Sequence[Shard]) -> int:
    if workers is not None:
        return max(1, min(workers, len(shards)))
    size = sum(shard.size_bytes for shard in shards)
    places = len(os.sched_getaffinity(0)) // cores_per_shard
    return max(1, min(places, len(shards), size // _WORTH_A_PROCESS_BYTES))


class InlineEngine:
    """Works in this process, one shard after the other."""

    slots = 1

    def __init__(self) -> None:
        self._job: Job | None = None
        self._attempt: Attempt | None = None

    def start(self, warm_up: Callable[[], None] | None) -> None:
        """Nothing to bring up: the task warms this process as it is made."""

    def load(self, job: Job) -> None:
        """Keep the job."""
        self._job = job

    def submit(self, attempt: Attempt) -> None:
        """Keep the try."""
        self._attempt = attempt

    def next_outcome(self) -> Outcome:
        """Make the try."""
        if self._job is None or self._attempt is None:
            raise AssertionError("next_outcome() before load() and submit()")
        return carry_out(self._job, self._attempt)

    def close(self) -> None:
        """Nothing to give back."""


class ProcessEngine:
    """Works in processes of this machine; one that dies is replaced.

    Args:
        processes: How many.
    """

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._warm_up: Callable[[], None] | None = None
        self._job = b""
        self._idle: list[_Worker] = []
        self._busy: dict[int, _Worker] = {}

    @property
    def slots(self) -> int:
        """One try for each process."""
        return self._processes

    def start(self, warm_up: Callable[[], None] | None) -> None:
        """Start the processes."""
        self._warm_up = warm_up
        for _ in range(self._processes):
            self._idle.append(_Worker(self._processes, warm_up))

    def load(self, job: Job) -> None:
        """Send the job to every process."""
        self._job = bytes(ForkingPickler.dumps(job))
        for worker in self._idle:
            worker.send(self._job)

    def submit(self, attempt: Attempt) -> None:
        """Send the try to an idle process, a new one where the last has died."""
        worker = self._idle.pop() if self._idle else self._new_worker()
        worker.send(bytes(ForkingPickler.dumps(attempt)))
        self._busy[attempt.shard.index] = worker

    def next_outcome(self) -> Outcome:
        """Wait for a process to answer, or to die."""
        handles = [handle for worker in self._busy.values() for handle in worker.handles]
        ready = set(wait(handles))
        index = next(i for i, worker in self._busy.items() if not ready.isdisjoint(worker.handles))
        worker = self._busy.pop(index)
        outcome = worker.receive(index)
        if isinstance(outcome, Died):
            worker.end()
            worker.forget()
        else:
            self._idle.append(worker)
        return outcome

    def close(self) -> None:
        """End the processes, in the middle of their work where they have any."""
        workers = [*self._idle, *self._busy.values()]
        for worker in workers:
            worker.end()
        for worker in workers:
            worker.forget()

    def _new_worker(self) -> _Worker:
        worker = _Worker(self._processes, self._warm_up)
        worker.send(self._job)
        return worker


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, processes: int, warm_up: Callable[[], None] | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, far = context.Pipe()
        self._process = context.Process(target=serve, args=(far, processes))
        with _interrupt_held_back():
            self._process.start()
        far.close()
        self.send(bytes(ForkingPickler.dumps(warm_up)))

    @property
    def handles(self) -> tuple[Any, int]:
        """What becomes ready when the process answers or ends."""
        return self._connection, self._process.sentinel

    def send(self, message: bytes) -> None:
        """Send a pickled message; a dead process shows when it is waited for."""
        with suppress(*GONE):
            self._connection.send_bytes(message)

    def receive(self, index: int) -> Outcome:
        """The answer that waits, or the death of the process."""
        try:
            if self._connection.poll():
                outcome: Outcome = self._connection.recv()
                return outcome
        except (EOFError, *GONE):
            pass
        self._process.join()
        return Died(index, _how_it_ended(self._process.exitcode))

    def end(self) -> None:
        """End the process where it stands: what it had finished is published."""
        self._process.kill()

    def forget(self) -> None:
        """Wait for the end of the process, and give back what it takes."""
        self._process.join()
        self._process.close()
        self._connection.close()


@contextmanager
def _interrupt_held_back() -> Iterator[None]:
    """Ctrl-C waits; a process that starts meanwhile inherits that, until it ignores Ctrl-C."""
    resource_tracker.ensure_running()  # its own start would let Ctrl-C through
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how_it_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    return f"killed by {signal.Signals(-code).name}"
