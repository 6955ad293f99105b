"""The local engine: shards in parallel processes, each finished one whole and on record."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from nemo_runspec.errors import DataError
from nemotron_data_prep.plan import Shard
from nemotron_data_prep.progress import Progress
from nemotron_data_prep.staging import read_receipt, staged_directory, write_receipt

logger = logging.getLogger(__name__)

_WORTH_A_PROCESS_BYTES = 4 << 20

TaskT = TypeVar("TaskT")
Job = Callable[[Shard], dict[str, Any]]
ShardFunction = Callable[[TaskT, Shard, Path], dict[str, Any]]
"""Fills a folder with a shard's files and returns what its receipt says about them.

A module-level function, so that worker processes started with ``spawn`` find it; the task
is a picklable value that holds everything else it needs."""


def run_shards(
    function: ShardFunction[TaskT],
    make_task: Callable[[], TaskT],
    shards: Sequence[Shard],
    folder: Path,
    *,
    workers: int | None,
    progress: Progress,
    warm_up: Callable[[], None] | None = None,
) -> list[dict[str, Any]]:
    """Finish every shard that is not on record yet.

    Args:
        function: Does one shard.
        make_task: Makes what it needs beside the shard; called where a shard is missing.
        shards: All shards of the plan.
        folder: Holds one folder per finished shard.
        workers: Processes; None chooses by cores and size of the work.
        progress: Told about every finished shard.
        warm_up: Called in worker processes while the task is made, to load what they will need.

    Returns:
        The receipts of all shards, in order.

    Raises:
        DataError: A shard failed; of several failures, the first in the order of the plan.
    """
    done = {shard.index: read_receipt(folder / shard.name) for shard in shards}
    receipts = {index: receipt for index, receipt in done.items() if receipt is not None}
    missing = [shard for shard in shards if shard.index not in receipts]
    if receipts:
        logger.info("%d of %d shards are done already", len(receipts), len(shards))
        progress.advance(sum(shard.size_bytes for shard in shards if shard.index in receipts))
    if not missing:
        return [receipts[shard.index] for shard in shards]
    processes = _processes(workers, missing)

    def make_job() -> Job:
        return partial(finish_shard, function, make_task(), folder)

    run = _run_here if processes == 1 else partial(_run_in_pool, processes, warm_up)
    for shard, receipt in zip(missing, run(make_job, missing, progress), strict=True):
        receipts[shard.index] = receipt
    return [receipts[shard.index] for shard in shards]


def finish_shard(
    function: ShardFunction[TaskT], task: TaskT, folder: Path, shard: Shard
) -> dict[str, Any]:
    """Do one shard and publish its folder, receipt last; returns the receipt."""
    with staged_directory(folder / shard.name) as staged:
        return write_receipt(staged, function(task, shard, staged))


def _processes(workers: int | None, shards: Sequence[Shard]) -> int:
    if workers is not None:
        return max(1, min(workers, len(shards)))
    size = sum(shard.size_bytes for shard in shards)
    cores = len(os.sched_getaffinity(0))
    return max(1, min(cores, len(shards), size // _WORTH_A_PROCESS_BYTES))


def _run_here(
    make_job: Callable[[], Job], shards: Sequence[Shard], progress: Progress
) -> list[dict[str, Any]]:
    job = make_job()
    receipts = []
    for shard in shards:
        receipts.append(job(shard))
        progress.advance(shard.size_bytes)
    return receipts


def _run_in_pool(
    processes: int,
    warm_up: Callable[[], None] | None,
    make_job: Callable[[], Job],
    shards: Sequence[Shard],
    progress: Progress,
) -> list[dict[str, Any]]:
    context = multiprocessing.get_context("spawn")
    receipts = []
    with ProcessPoolExecutor(processes, context, _start_worker, (processes,)) as pool:
        if warm_up is not None:
            for _ in range(processes):
                pool.submit(warm_up)
        job = make_job()
        futures = [pool.submit(job, shard) for shard in shards]
        try:
            for future, shard in zip(futures, shards, strict=True):
                receipts.append(_result(future))
                progress.advance(shard.size_bytes)
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return receipts


def _result(future: Future[dict[str, Any]]) -> dict[str, Any]:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise DataError(
            "A worker process died, most likely for lack of memory.",
            hint="Run again to finish what is missing, with fewer workers (workers=1).",
        ) from error


def _start_worker(processes: int) -> None:
    """Share the cores among the processes, and tie each to the run that started it."""
    threads = max(1, len(os.sched_getaffinity(0)) // processes)
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if threads > 1 else "false"
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave when the run is killed: a pool's workers would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
