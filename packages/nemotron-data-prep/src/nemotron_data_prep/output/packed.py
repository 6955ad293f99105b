"""Packed sequences in the form that Megatron-Bridge reads.

Columns ``input_ids`` (list of int32), ``loss_mask`` (list of int8) and ``seq_start_id`` (list of
int32: where each sequence of the pack starts; 0 first, no end marker).

**The mask shift.** For a sequence at ``[s, e)`` of a pack Megatron-Bridge's reader takes
``input_ids[s:e-1]`` as inputs, ``input_ids[s+1:e]`` as labels and ``loss_mask[s:e-1]`` as the
loss mask: position ``t`` of the mask belongs to the *prediction made at* ``t``, whose label is
token ``t + 1``. A mask that marks the assistant's own tokens is therefore shifted left by one
within every sequence before it is written: ``loss_mask[t] = trained[t + 1]``, and the last
position of every sequence, which the reader cuts off, is 0. So the first token of an answer is
trained at the last token of its prompt, the end-of-turn token at the last token of the answer,
and nothing is trained across the border of two sequences. (The reader also zeroes the mask where
the *input* token is the tokenizer's eos; a prediction made there is never marked.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TOKENS_PER_ROW_GROUP = 1 << 20
_TOKENS_PER_FILE = 1 << 26


@dataclass(frozen=True, slots=True)
class PackBatch:
    """Some packs, flat.

    Attributes:
        input_ids: Ids, (tokens,) int32.
        loss_mask: Shifted mask, (tokens,) int8.
        seq_start_id: Starts within each pack, (sequences,) int32.
        token_bounds: Where each pack starts in ``input_ids``, and the end, (packs + 1,) int32.
        sequence_bounds: The same in ``seq_start_id``, (packs + 1,) int32.
    """

    input_ids: NDArray[np.int32]
    loss_mask: NDArray[np.int8]
    seq_start_id: NDArray[np.int32]
    token_bounds: NDArray[np.int32]
    sequence_bounds: NDArray[np.int32]


def shift_mask(trained: NDArray[np.uint8], sequence_ends: NDArray[np.integer]) -> NDArray[np.int8]:
    """Move a mask over tokens to the positions that predict them.

    Args:
        trained: 1 for every token to train, sequences one after the other, (tokens,).
        sequence_ends: Where each sequence ends, exclusive, (sequences,).

    Returns:
        The mask as it is stored, (tokens,).
    """
    shifted = np.zeros(len(trained), dtype=np.int8)
    shifted[:-1] = trained[1:]
    shifted[np.asarray(sequence_ends, dtype=np.int64) - 1] = 0
    return shifted


def packs_per_row_group(pack_size: int) -> int:
    """Packs that are gathered, written and later read at once."""
    return max(1, _TOKENS_PER_ROW_GROUP // pack_size)


def row_groups_per_file(pack_size: int) -> int:
    """Row groups that a Parquet file holds before the next one begins."""
    return max(1, _TOKENS_PER_FILE // (packs_per_row_group(pack_size) * pack_size))


def write_parquet(batches: Iterator[PackBatch], folder: Path, pack_size: int) -> None:
    """Write packs to ``shard_000000.parquet`` and on.

    Args:
        batches: Packs; each batch becomes a row group.
        folder: Created.
        pack_size: Tokens in a full pack; sets the size of files.
    """
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    per_file = row_groups_per_file(pack_size)
    file_index = 0
    pending = next(batches, None)
    while pending is not None:
        path = folder / f"shard_{file_index:06d}.parquet"
        table = _table(pending)
        with (
            path.open("xb") as stream,
            pq.ParquetWriter(
                stream, table.schema, compression="zstd", use_dictionary=False
            ) as writer,
        ):
            for _ in range(per_file):
                writer.write_table(table)
                pending = next(batches, None)
                if pending is None:
                    break
                table = _table(pending)
        file_index += 1


def write_npy(batches: Iterator[PackBatch], path: Path) -> None:
    """Write packs as an object array of dictionaries, for Megatron-Bridge before 0.4.

    Args:
        batches: Packs; all of them are held in memory, as the format demands.
        path: The ``.npy`` file.
    """
    rows = [row for batch in batches for row in _rows(batch)]
    content = np.empty(len(rows), dtype=object)
    content[:] = rows
    with path.open("xb") as stream:
        np.save(stream, content, allow_pickle=True)


def _table(batch: PackBatch) -> Any:
    import pyarrow as pa

    of_tokens = _arrow(pa.int32(), batch.token_bounds)
    of_sequences = _arrow(pa.int32(), batch.sequence_bounds)
    columns = {
        "input_ids": pa.ListArray.from_arrays(of_tokens, _arrow(pa.int32(), batch.input_ids)),
        "loss_mask": pa.ListArray.from_arrays(of_tokens, _arrow(pa.int8(), batch.loss_mask)),
        "seq_start_id": pa.ListArray.from_arrays(
            of_sequences, _arrow(pa.int32(), batch.seq_start_id)
        ),
    }
    return pa.table(columns)


def _arrow(kind: Any, values: NDArray[np.integer]) -> Any:
    """The same memory as an Arrow array; ``pyarrow.array`` would load pandas where it is there."""
    import pyarrow as pa

    buffers = [None, pa.py_buffer(np.ascontiguousarray(values).data)]
    return pa.Array.from_buffers(kind, len(values), buffers)


def _rows(batch: PackBatch) -> Iterator[dict[str, list[int]]]:
    for index in range(len(batch.token_bounds) - 1):
        tokens = slice(batch.token_bounds[index], batch.token_bounds[index + 1])
        starts = slice(batch.sequence_bounds[index], batch.sequence_bounds[index + 1])
        yield {
            "input_ids": batch.input_ids[tokens].tolist(),
            "loss_mask": batch.loss_mask[tokens].tolist(),
            "seq_start_id": batch.seq_start_id[starts].tolist(),
        }
