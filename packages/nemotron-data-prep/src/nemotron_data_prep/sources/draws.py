"""Choose the records of a dataset that ``rows`` or ``fraction`` draws, before any are read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from nemo_runspec.amounts import show_count
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.sampling import Draw, draw_salt, limit_of_fraction
from nemotron_data_prep.sources.records import read_positions
from nemotron_data_prep.sources.source_file import SourceFile

logger = logging.getLogger(__name__)

_LARGEST = (1 << 64) - 1
_KEPT_AT_LEAST = 1 << 20
_ROWS_AT_A_TIME = 1 << 20


def with_draw(dataset: Dataset, files: Sequence[SourceFile], seed: int) -> list[SourceFile]:
    """Give the files of one dataset the draw that its entry asks for.

    Args:
        dataset: The entry.
        files: All files of it, in order.
        seed: Another seed, another choice.

    Raises:
        DataError: A file became unreadable while its records were counted.
    """
    if dataset.rows is None and dataset.fraction is None:
        return list(files)
    draws = [Draw(rank, draw_salt(seed), _LARGEST) for rank in range(len(files))]
    limit = _limit(dataset, files, draws)
    if limit == _LARGEST:
        return list(files)
    return [
        replace(file, draw=replace(draw, limit=limit))
        for file, draw in zip(files, draws, strict=True)
    ]


def _limit(dataset: Dataset, files: Sequence[SourceFile], draws: Sequence[Draw]) -> int:
    if dataset.rows is None:
        return limit_of_fraction(dataset.fraction or 1.0)
    keys = (
        draw.keys(positions)
        for file, draw in zip(files, draws, strict=True)
        for positions in _positions(file, dataset.sample_by)
    )
    smallest, total = _smallest(keys, dataset.rows)
    if total < dataset.rows:
        logger.warning(
            "%s: asked for %s, and there are %d: all are used",
            dataset.name,
            show_count(dataset.rows, "record"),
            total,
        )
    return _LARGEST if total <= dataset.rows else int(smallest.max())


def _positions(file: SourceFile, sample_by: str) -> Iterator[NDArray[np.int64]]:
    if file.format != "parquet":
        for places in read_positions(file, sample_by):
            yield np.array(places, dtype=np.int64)
        return
    for start in range(0, file.rows, _ROWS_AT_A_TIME):
        yield np.arange(start, min(file.rows, start + _ROWS_AT_A_TIME))


def _smallest(keys: Iterable[NDArray[np.uint64]], count: int) -> tuple[NDArray[np.uint64], int]:
    """The smallest keys, and how many there are in all; memory follows the count alone."""
    total = 0
    kept: list[NDArray[np.uint64]] = []
    held = 0
    for some in keys:
        total += len(some)
        kept.append(some)
        held += len(some)
        if held > 2 * count + _KEPT_AT_LEAST:
            kept = [_partition(np.concatenate(kept), count)]
            held = len(kept[0])
    everything = np.concatenate(kept) if kept else np.empty(0, dtype=np.uint64)
    return _partition(everything, count), total


def _partition(keys: NDArray[np.uint64], count: int) -> NDArray[np.uint64]:
    return keys if len(keys) <= count else np.partition(keys, count - 1)[:count]
