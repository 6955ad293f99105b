"""What a worker process of the local engine does.

Libraries make their threads as they are loaded, NumPy's one for every core. So this module loads
none, and a process knows its share of the cores before it receives what it works with.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from nemotron_data_prep.engines.work import Attempt, Job

GONE = (BrokenPipeError, ConnectionResetError)


def serve(connection: Connection, processes: int) -> None:
    """Warm up, receive the job, then do one try after the other.

    Args:
        connection: Gives the warm-up, the job and the tries; takes their outcomes.
        processes: How many work beside each other on this machine.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run is interrupted, and ends its workers
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    share_cores(processes)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from nemotron_data_prep.engines.work import Failed, carry_out, is_passing, portable

    with suppress(EOFError, *GONE):  # the run is over
        unfit = _problem(connection.recv())
        job: Job = connection.recv()
        while True:
            attempt: Attempt = connection.recv()
            if unfit is None:
                connection.send(portable(carry_out(job, attempt)))
            else:
                failed = Failed(attempt.shard.index, unfit, is_passing(unfit))
                connection.send(portable(failed))


def share_cores(processes: int) -> None:
    """Give this process its share of the cores, before libraries make their threads.

    Args:
        processes: How many work beside each other on this machine.
    """
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    os.environ.setdefault("OPENBLAS_NUM_THREADS", str(threads))


def _problem(warm_up: Callable[[], None] | None) -> Exception | None:
    """What a warm-up raises: it answers for the tries of this process."""
    try:
        if warm_up is not None:
            warm_up()
    except Exception as error:  # noqa: BLE001 - the run raises it
        return error
    return None


def _end_with_parent() -> None:
    """Leave when the run is killed, even in the middle of a shard."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
