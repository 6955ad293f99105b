"""Finish the shards of a plan: a few at a time, each whole and on record, in spite of mishaps."""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

from nemo_runspec.amounts import show_count
from nemo_runspec.errors import DataError
from nemotron_data_prep.engines.work import Attempt, Died, Done, Engine, Failed, Outcome, Receipt
from nemotron_data_prep.plan import Shard
from nemotron_data_prep.progress import Progress
from nemotron_data_prep.staging import (
    fill_in_area,
    read_receipt,
    remove_whole,
    staging_area,
    write_receipt,
)

logger = logging.getLogger(__name__)

TRIES_AT_MOST = 3
_READERS = 8
_KILLED = (
    "Most likely memory ran out. Run again to finish what is missing, with fewer workers "
    "(workers=1)."
)
_LEFT_BY_ITSELF = (
    "Standard error says more. A script that starts a preparation has to do so below "
    "`if __name__ == '__main__':`."
)

TaskT = TypeVar("TaskT")
ShardFunction = Callable[[TaskT, Shard, Path], Receipt]
"""Fills a folder with a shard's files and returns what its receipt says about them.

A module-level function, so that worker processes find it; the task is a picklable value that
holds everything else it needs."""


def run_shards(
    engine: Callable[[Sequence[Shard]], Engine],
    function: ShardFunction[TaskT],
    make_task: Callable[[], TaskT],
    shards: Sequence[Shard],
    folder: Path,
    *,
    progress: Progress,
    warm_up: Callable[[], None] | None = None,
    describe: Callable[[Shard], str] = lambda shard: shard.name,
) -> list[Receipt]:
    """Finish every shard that is not on record yet.

    Args:
        engine: Makes the engine for the missing shards; called where one is missing.
        function: Does one shard.
        make_task: Makes what it needs beside the shard; called where a shard is missing.
        shards: All shards of the plan.
        folder: Holds one folder per finished shard.
        progress: Told about every finished shard.
        warm_up: Called in workers while the task is made, to load what they will need.
        describe: Says what a shard reads, for errors.

    Returns:
        The receipts of all shards, in order.

    Raises:
        DataError: A shard failed; of several failures, the first in the order of the plan.
    """
    receipts = _read_receipts(shards, folder)
    missing = [shard for shard in shards if shard.index not in receipts]
    if receipts:
        logger.info("%d of %s are done already", len(receipts), show_count(len(shards), "shard"))
        progress.skip(sum(shard.size_bytes for shard in shards if shard.index in receipts))
    if missing:
        with staging_area(folder) as area, closing(engine(missing)) as workers:
            workers.start(warm_up)
            workers.load(partial(finish_shard, function, make_task(), folder, area))
            receipts |= _Round(workers, missing, area, progress, describe).finish()
    return [receipts[shard.index] for shard in shards]


def finish_shard(
    function: ShardFunction[TaskT], task: TaskT, folder: Path, area: Path, attempt: Attempt
) -> Receipt:
    """Do one shard and publish its folder, receipt last; returns the receipt.

    Args:
        function: Does it.
        task: What it needs.
        folder: Where finished shards lie.
        area: Where this run fills them.
        attempt: The shard, and which try it is.
    """
    with fill_in_area(area, attempt.name, folder / attempt.shard.name) as staged:
        return write_receipt(staged, function(task, attempt.shard, staged))


class _Round:
    """The missing shards of a run on their way through an engine.

    Tries are handed out in the order of the plan. After a failure that another try would not
    mend, only the shards before it go on: one of them may fail too, and would be the first.
    """

    def __init__(
        self,
        engine: Engine,
        shards: Sequence[Shard],
        area: Path,
        progress: Progress,
        describe: Callable[[Shard], str],
    ) -> None:
        self._engine = engine
        self._area = area
        self._progress = progress
        self._describe = describe
        self._waiting = deque(map(Attempt, shards))
        self._on_the_way: dict[int, Attempt] = {}
        self._receipts: dict[int, Receipt] = {}
        self._failures: dict[int, Exception] = {}
        self._deaths: Counter[int] = Counter()

    def finish(self) -> dict[int, Receipt]:
        """The receipts of all shards by index."""
        while self._hand_out():
            self._settle(self._engine.next_outcome())
        if self._failures:
            raise self._failures[min(self._failures)]
        return self._receipts

    def _hand_out(self) -> bool:
        """Hand out what there is room for; False when nothing worth waiting for is left."""
        bound = min(self._failures, default=None)
        while self._waiting and len(self._on_the_way) < self._engine.slots:
            attempt = self._waiting.popleft()
            if bound is None or attempt.shard.index < bound:
                self._on_the_way[attempt.shard.index] = attempt
                self._engine.submit(attempt)
        return any(bound is None or index < bound for index in self._on_the_way)

    def _settle(self, outcome: Outcome) -> None:
        attempt = self._on_the_way.pop(outcome.index)
        match outcome:
            case Done(index, receipt):
                self._receipts[index] = receipt
                self._progress.advance(attempt.shard.size_bytes)
            case Failed(index, error, passing):
                if passing and attempt.number + 1 < TRIES_AT_MOST:
                    self._try_again(attempt, str(error))
                else:
                    self._failures[index] = error
            case Died(index, how):
                self._deaths[index] += 1
                remove_whole(self._area / attempt.name)
                if self._deaths[index] < TRIES_AT_MOST:
                    self._try_again(attempt, f"the worker process died ({how})")
                else:
                    self._failures[index] = self._deadly(attempt.shard, how)

    def _try_again(self, attempt: Attempt, reason: str) -> None:
        logger.warning("%s is tried again: %s", self._describe(attempt.shard), reason)
        self._waiting.appendleft(attempt.next())

    def _deadly(self, shard: Shard, how: str) -> DataError:
        ended_itself = how.startswith("exit code")
        hint = _LEFT_BY_ITSELF if ended_itself else _KILLED
        return DataError(
            f"A worker process died {TRIES_AT_MOST} times on one shard ({how}).",
            where=self._describe(shard),
            hint=hint,
        )


def _read_receipts(shards: Sequence[Shard], folder: Path) -> dict[int, Receipt]:
    """The receipts of the shards that are finished and undamaged, by index."""
    if not folder.is_dir():
        return {}
    threads = min(_READERS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads) as pool:
        found = pool.map(lambda shard: read_receipt(folder / shard.name), shards)
        pairs = zip(shards, found, strict=True)
        return {shard.index: receipt for shard, receipt in pairs if receipt is not None}
