"""Read packed conversations: their sequences, masks and fill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from nemo_runspec.amounts import show_count
from nemo_runspec.errors import DataError
from nemotron_data_prep.importing.packs import check_packs
from nemotron_data_prep.inspection.decoding import Decoder, pieces
from nemotron_data_prep.inspection.model import Fill, Record, Survey
from nemotron_data_prep.inspection.npy import read_objects
from nemotron_data_prep.lengths import LengthCounts

_SURVEYED_TOKENS = 1 << 28
_PACKS_PER_BATCH = 64


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some packs, flat.

    Attributes:
        mask: As it is stored, (tokens,).
        pack_ends: Where each pack ends in ``mask``, (packs,).
        starts: Where each sequence starts in ``mask``, (sequences,).
    """

    mask: NDArray[np.bool_]
    pack_ends: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def ends(self) -> NDArray[np.int64]:
        """Where each sequence ends, exclusive, (sequences,)."""
        return np.append(self.starts[1:], len(self.mask))


def survey_packs(files: Sequence[Path], pack_size: int | None) -> Survey:
    """Count what packs hold.

    Args:
        files: Parquet files, or one ``.npy``.
        pack_size: Tokens in a full pack; None takes the longest pack for full.

    Raises:
        DataError: A file holds no packs.
    """
    counts: Counter[str] = Counter(packs=0, sequences=0, tokens=0, trained_tokens=0)
    doubts: Counter[str] = Counter()
    lengths, sizes = LengthCounts(), [np.empty(0, dtype=np.int64)]
    for batch in _batches(files):
        if counts["tokens"] >= _SURVEYED_TOKENS:
            doubts["partial"] = 1
            break
        in_sequence = batch.ends - batch.starts
        lengths.add(in_sequence)
        sizes.append(np.diff(batch.pack_ends, prepend=0))
        counts["packs"] += len(batch.pack_ends)
        counts["sequences"] += len(batch.starts)
        counts["tokens"] += len(batch.mask)
        counts["trained_tokens"] += int(batch.mask.sum())
        doubts["last"] += int(batch.mask[batch.ends - 1].sum())
        doubts["untrained"] += int((np.add.reduceat(batch.mask, batch.starts) == 0).sum())
    fill = _fill(np.concatenate(sizes), pack_size)
    return Survey(dict(counts), lengths.bins(), "tokens", fill, _notes(counts, doubts, pack_size))


def pack_records(files: Sequence[Path], decoder: Decoder, limit: int) -> Iterator[Record]:
    """Read the sequences of packs, one after the other.

    Args:
        files: Parquet files, or one ``.npy``.
        decoder: Decodes ids.
        limit: About how many tokens to show of each.

    Raises:
        DataError: A file holds no packs.
    """
    for file in files:
        for index, row in enumerate(_rows(file)):
            ids = np.asarray(row["input_ids"])
            mask = np.asarray(row["loss_mask"], dtype=bool)
            bounds = [*row["seq_start_id"], len(ids)]
            for number, (start, end) in enumerate(pairwise(bounds)):
                # Position t of the mask is about the prediction of token t + 1.
                trained = np.append(False, mask[start : end - 1])
                yield Record(
                    f"pack {index}, sequence {number}",
                    str(file),
                    pieces(ids[start:end], trained, decoder, limit),
                    end - start,
                    int(trained.sum()),
                )


def _batches(files: Sequence[Path]) -> Iterator[_Batch]:
    for file in files:
        check_packs(str(file), named_at="The path")
        if file.suffix == ".npy":
            rows = read_objects(file)
            for first in range(0, len(rows), _PACKS_PER_BATCH):
                yield _of_rows(rows[first : first + _PACKS_PER_BATCH], file)
            continue
        with pq.ParquetFile(file) as parquet:
            columns = ["loss_mask", "seq_start_id"]
            for batch in parquet.iter_batches(batch_size=_PACKS_PER_BATCH, columns=columns):
                yield _of_columns(batch.column("loss_mask"), batch.column("seq_start_id"), file)


def _of_rows(rows: Sequence[dict[str, Any]], file: Path) -> _Batch:
    masks = pa.array([row["loss_mask"] for row in rows], type=pa.list_(pa.int8()))
    return _of_columns(masks, pa.array([row["seq_start_id"] for row in rows]), file)


def _of_columns(masks: Any, starts: Any, file: Path) -> _Batch:
    pack_ends = np.cumsum(pc.list_value_length(masks).to_numpy(zero_copy_only=False))
    in_pack = pc.list_value_length(starts).to_numpy(zero_copy_only=False)
    first_tokens = np.concatenate([[0], pack_ends[:-1]])
    absolute = starts.flatten().to_numpy(zero_copy_only=False) + np.repeat(first_tokens, in_pack)
    mask = np.asarray(masks.flatten().to_numpy(zero_copy_only=False), dtype=bool)
    ascending = np.all(np.diff(absolute) > 0) and len(absolute) and absolute[-1] < len(mask)
    if not ascending or not np.isin(first_tokens, absolute).all():
        raise DataError("The starts of a pack do not ascend from 0.", where=f"{file}: seq_start_id")
    return _Batch(mask, pack_ends.astype(np.int64), absolute.astype(np.int64))


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    if file.suffix == ".npy":
        yield from read_objects(file)
        return
    with pq.ParquetFile(file) as parquet:
        for batch in parquet.iter_batches(batch_size=1):
            yield from batch.to_pylist()


def _fill(sizes: NDArray[np.int64], pack_size: int | None) -> Fill | None:
    if not len(sizes):
        return None
    full = pack_size or int(sizes.max())
    shares = sizes / full
    return Fill(full, float(shares.mean()), float(np.median(shares)), float(shares.min()))


def _notes(counts: Counter[str], doubts: Counter[str], pack_size: int | None) -> tuple[str, ...]:
    notes = []
    if doubts["partial"]:
        notes.append(f"Counts and lengths are of the first {show_count(counts['packs'], 'pack')}.")
    if pack_size is None:
        notes.append("Nothing says the pack size; the longest pack counts as full.")
    if doubts["last"]:
        notes.append(
            "The last position, which the reader cuts off, is trained in "
            f"{show_count(doubts['last'], 'sequence')}: the mask does not look shifted."
        )
    if doubts["untrained"]:
        notes.append(f"Nothing is trained in {show_count(doubts['untrained'], 'sequence')}.")
    return tuple(notes)
