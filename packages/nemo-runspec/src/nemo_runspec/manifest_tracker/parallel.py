"""Do the same with many items of a store, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

_AT_ONCE = 16
_MOST_PER_TASK = 64
_TASKS_PER_THREAD = 4

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def in_parallel(work: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """Do the same with every item, in a few threads.

    Args:
        work: What to do; it may be called from any thread.
        items: What to do it with.

    Returns:
        The answers, in the order of the items.
    """
    known = list(items)
    if len(known) <= 1:
        return [work(item) for item in known]
    from concurrent.futures import ThreadPoolExecutor

    size = max(1, min(_MOST_PER_TASK, len(known) // (_AT_ONCE * _TASKS_PER_THREAD)))
    slices = [known[start : start + size] for start in range(0, len(known), size)]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="store") as threads:
        answers = threads.map(lambda part: [work(item) for item in part], slices)
        return [answer for part in answers for answer in part]
