"""From tokenized shards to packs: split, fit, gather, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nemo_runspec.errors import DataError
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.config import SPLITS, SftPrepConfig
from nemotron_data_prep.output.packed import (
    PackBatch,
    packs_per_row_group,
    shift_mask,
    write_npy,
    write_parquet,
)
from nemotron_data_prep.packing import Packs, pack_sequences, shuffle_packs
from nemotron_data_prep.sampling import assign_splits
from nemotron_data_prep.sft_shard import SEQUENCES, TOKENS, TRAINED
from nemotron_data_prep.sources.files import SourceFile

NPY_NAMES = {"train": "training", "valid": "validation", "test": "test"}


@dataclass(slots=True)
class SequenceTable:
    """All sequences of all tokenized shards.

    Attributes:
        length: Tokens of each, cut to the pack where too long and truncated, (sequences,).
        trained: Tokens to train of each, (sequences,).
        file: The source file of each, (sequences,).
        key: The content key of its conversation, (sequences,).
        shard: Where it lies: the tokenized shard, (sequences,),
        offset: and its first token there, (sequences,).
    """

    length: NDArray[np.int64]
    trained: NDArray[np.int64]
    file: NDArray[np.int32]
    key: NDArray[np.uint64]
    shard: NDArray[np.int32]
    offset: NDArray[np.int64]


class TokenizedShards:
    """Reads tokenized shards through the page cache.

    Args:
        folders: One per shard, in order.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        tables = [np.load(folder / SEQUENCES) for folder in folders]
        self._tokens = [_mapped(folder / TOKENS, "<i4") for folder in folders]
        self._trained = [_mapped(folder / TRAINED, "u1") for folder in folders]
        merged = np.concatenate(tables)
        lengths = [table["length"].astype(np.int64) for table in tables]
        self.table = SequenceTable(
            merged["length"].astype(np.int64),
            merged["trained"].astype(np.int64),
            merged["file"],
            merged["key"],
            np.repeat(np.arange(len(tables), dtype=np.int32), [len(table) for table in tables]),
            np.concatenate([np.cumsum(length) - length for length in lengths]),
        )

    def truncate(self, index: int, length: int) -> None:
        """Cut a sequence."""
        self.table.length[index] = length
        self.table.trained[index] = int(self._slice(self._trained, index).sum())

    def gather(self, packs: Packs, first: int, last: int) -> PackBatch:
        """Collect the packs from ``first`` to ``last``, exclusive."""
        bounds = packs.bounds[first : last + 1]
        members = packs.members[bounds[0] : bounds[-1]]
        lengths = self.table.length[members]
        ends = np.cumsum(lengths)
        indices = members.tolist()
        tokens = np.concatenate([self._slice(self._tokens, index) for index in indices])
        trained = np.concatenate([self._slice(self._trained, index) for index in indices])
        pack_sizes = np.diff(bounds)
        token_bounds = np.concatenate([[0], ends])[bounds - bounds[0]]
        starts = (ends - lengths) - np.repeat(token_bounds[:-1], pack_sizes)
        return PackBatch(
            tokens.astype(np.int32, copy=False),
            shift_mask(trained, ends),
            starts.astype(np.int32),
            token_bounds.astype(np.int32),
            (bounds - bounds[0]).astype(np.int32),
        )

    def _slice(self, arrays: list[NDArray[Any]], index: int) -> NDArray[Any]:
        offset = self.table.offset[index]
        found: NDArray[Any] = arrays[self.table.shard[index]]
        return found[offset : offset + self.table.length[index]]


def write_packs(
    shards: TokenizedShards,
    config: SftPrepConfig,
    datasets: Sequence[Dataset],
    files: Sequence[SourceFile],
    folder: Path,
) -> dict[str, Any]:
    """Split, pack and write all sequences.

    Args:
        shards: The tokenized shards.
        config: Pack size, algorithm, format, splits, and what to do with long sequences.
        datasets: The blend; a dataset may name the split of its records.
        files: The source files, which say whose dataset a sequence is.
        folder: Receives ``splits/<split>/*.parquet``, or ``<split>_<size>.npy``.

    Returns:
        ``packing`` and ``splits`` of the report.

    Raises:
        DataError: A sequence is too long and the configuration says to stop, or the training
            split is empty.
    """
    kept, lost = _fit_lengths(shards, config)
    splits = _splits(shards.table, config, datasets, files)
    written = {
        split: _write_split(shards, config, kept[splits[kept] == index], split, folder)
        for index, split in enumerate(SPLITS)
    }
    if not written["train"]["sequences"]:
        raise DataError(
            f"No sequence is left for the training split (left out: {dict(lost)}).",
            where="split",
            hint="Give split.train a larger share, or raise pack_size.",
        )
    packing = _packing_report(len(shards.table.length), lost, written, config)
    return {"packing": packing, "splits": written}


def _fit_lengths(
    shards: TokenizedShards, config: SftPrepConfig
) -> tuple[NDArray[np.int64], Counter[str]]:
    """The sequences that fit, and how many were lost or cut, by reason."""
    table = shards.table
    longer = np.flatnonzero(table.length > config.pack_size)
    counts: Counter[str] = Counter()
    if not len(longer):
        return np.arange(len(table.length)), counts
    if config.on_too_long == "stop":
        raise DataError(
            f"{len(longer)} sequences are longer than a pack; the longest has "
            f"{int(table.length.max())} tokens.",
            where="pack_size",
            hint="Raise pack_size, or set on_too_long to drop or truncate.",
        )
    lost = longer
    if config.on_too_long == "truncate":
        for index in longer.tolist():
            shards.truncate(index, config.pack_size)
        untrained = table.trained[longer] == 0
        lost = longer[untrained]
        counts["truncated"] = int(np.count_nonzero(~untrained))
    reason = "too_long" if config.on_too_long == "drop" else "nothing_to_train_after_truncation"
    counts[reason] = len(lost)
    kept = np.ones(len(table.length), dtype=bool)
    kept[lost] = False
    return np.flatnonzero(kept), +counts


def _splits(
    table: SequenceTable,
    config: SftPrepConfig,
    datasets: Sequence[Dataset],
    files: Sequence[SourceFile],
) -> NDArray[np.int8]:
    splits = assign_splits(table.key, config.split, config.seed, None)
    for index, file in enumerate(files):
        forced = datasets[file.dataset].split
        if forced is not None:
            splits[table.file == index] = SPLITS.index(forced)
    return splits


def _write_split(
    shards: TokenizedShards,
    config: SftPrepConfig,
    chosen: NDArray[np.int64],
    split: str,
    folder: Path,
) -> dict[str, Any]:
    table = shards.table
    lengths = table.length[chosen]
    fitted = pack_sequences(config.packing, lengths, config.pack_size, config.seed)
    shuffled = shuffle_packs(fitted, config.seed)
    packs = Packs(chosen[shuffled.members], shuffled.bounds)
    if len(packs):
        _write(_batches(shards, packs, config.pack_size), config, split, folder)
    tokens = int(table.length[chosen].sum())
    capacity = len(packs) * config.pack_size
    return {
        "sequences": len(chosen),
        "packs": len(packs),
        "tokens": tokens,
        "trained_tokens": int(table.trained[chosen].sum()),
        "fill": round(tokens / capacity, 6) if capacity else None,
    }


def _write(batches: Iterator[PackBatch], config: SftPrepConfig, split: str, folder: Path) -> None:
    if config.format == "npy":
        write_npy(batches, folder / f"{NPY_NAMES[split]}_{config.pack_size}.npy")
    else:
        write_parquet(batches, folder / "splits" / split, config.pack_size)


def _batches(shards: TokenizedShards, packs: Packs, pack_size: int) -> Iterator[PackBatch]:
    step = packs_per_row_group(pack_size)
    for first in range(0, len(packs), step):
        yield shards.gather(packs, first, min(first + step, len(packs)))


def _packing_report(
    sequences_in: int, counts: Counter[str], written: dict[str, Any], config: SftPrepConfig
) -> dict[str, Any]:
    totals = {
        key: sum(split[key] for split in written.values())
        for key in ("sequences", "packs", "tokens", "trained_tokens")
    }
    dropped = {key: count for key, count in sorted(counts.items()) if key != "truncated"}
    if sequences_in != totals["sequences"] + sum(dropped.values()):
        raise AssertionError(f"{sequences_in} sequences in, {totals} out, {dropped} dropped")
    return {
        "algorithm": config.packing,
        "pack_size": config.pack_size,
        "sequences_in": sequences_in,
        "sequences_out": totals["sequences"],
        "dropped": dropped,
        "truncated": counts["truncated"],
        "packs": totals["packs"],
        "tokens": totals["tokens"],
        "trained_tokens": totals["trained_tokens"],
        "fill": round(totals["tokens"] / (totals["packs"] * config.pack_size), 6)
        if totals["packs"]
        else None,
    }


def _mapped(path: Path, dtype: str) -> NDArray[Any]:
    if path.stat().st_size == 0:
        return np.empty(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r")
