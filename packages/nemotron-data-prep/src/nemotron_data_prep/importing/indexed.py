"""Check a Megatron ``.bin/.idx`` pair by its index; tokens are not read."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from nemo_runspec.errors import DataError
from nemotron_data_prep.output.megatron import MAGIC, VERSION

_HEADER = struct.Struct(f"<{len(MAGIC)}sQBQQ")
_BYTES_PER_TOKEN = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 8, 7: 4, 8: 2}
_ENTRIES_PER_READ = 1 << 22


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """What a pair holds."""

    documents: int
    tokens: int


@dataclass(frozen=True, slots=True)
class _Header:
    bytes_per_token: int
    sequences: int
    boundaries: int

    @property
    def lengths_at(self) -> int:
        return _HEADER.size

    @property
    def offsets_at(self) -> int:
        return self.lengths_at + 4 * self.sequences

    @property
    def boundaries_at(self) -> int:
        return self.offsets_at + 8 * self.sequences

    @property
    def size(self) -> int:
        return self.boundaries_at + 8 * self.boundaries


def check_shard(prefix: str, *, named_at: str) -> ShardCounts:
    """Check that a pair exists and that its two files fit together.

    Args:
        prefix: Its path without suffix.
        named_at: The file and key that name it, for messages.

    Raises:
        DataError: A file is missing, no index, cut off, or does not fit the other.
        OSError: A file cannot be read.
    """
    for suffix in (".bin", ".idx"):
        if not Path(prefix + suffix).is_file():
            raise _missing(prefix, suffix, named_at)
    index = Path(f"{prefix}.idx")
    with index.open("rb") as stream:
        header = _read_header(stream, index)
        tokens = _count_tokens(stream, header, index)
        _check_ends(stream, header, index)
    size = Path(f"{prefix}.bin").stat().st_size
    if size != tokens * header.bytes_per_token:
        raise DataError(
            f"The file has {size:,} bytes, and its index counts {tokens:,} tokens of "
            f"{header.bytes_per_token} bytes.",
            where=f"{prefix}.bin",
            hint="The two files are not of one run, or one was cut off.",
        )
    return ShardCounts(header.boundaries - 1, tokens)


def _missing(prefix: str, suffix: str, named_at: str) -> DataError:
    if prefix.endswith((".bin", ".idx")):
        hint = "A prefix has no suffix: leave '.bin' or '.idx' out."
    else:
        hint = "Correct the prefix, if the data was moved: Megatron-Bridge opens it as it stands."
    return DataError(f"{named_at} names a file that is missing.", where=prefix + suffix, hint=hint)


def _read_header(stream: IO[bytes], index: Path) -> _Header:
    raw = stream.read(_HEADER.size)
    if len(raw) < _HEADER.size or not raw.startswith(MAGIC):
        raise DataError("The file is no Megatron index.", where=str(index))
    _, version, code, sequences, boundaries = _HEADER.unpack(raw)
    if version != VERSION:
        raise DataError(f"The index has version {version}, not {VERSION}.", where=str(index))
    if code not in _BYTES_PER_TOKEN:
        raise DataError(f"The index has the unknown type code {code}.", where=str(index))
    header = _Header(_BYTES_PER_TOKEN[code], sequences, boundaries)
    size = index.stat().st_size
    if size != header.size:
        raise DataError(
            f"The index has {size:,} bytes, and {sequences:,} sequences need {header.size:,}.",
            where=str(index),
            hint="It was cut off, or written by another software.",
        )
    if not sequences or not boundaries:
        raise DataError("The shard holds no documents.", where=str(index))
    return header


def _count_tokens(stream: IO[bytes], header: _Header, index: Path) -> int:
    tokens = 0
    stream.seek(header.lengths_at)
    for start in range(0, header.sequences, _ENTRIES_PER_READ):
        count = min(_ENTRIES_PER_READ, header.sequences - start)
        lengths = np.fromfile(stream, dtype="<i4", count=count)
        if len(lengths) < count or int(lengths.min()) < 0:
            raise DataError("The index has a sequence of negative length.", where=str(index))
        tokens += int(lengths.sum(dtype=np.int64))
    return tokens


def _check_ends(stream: IO[bytes], header: _Header, index: Path) -> None:
    """The first and last entries tell whether the three tables belong together."""
    last_length = int(_at(stream, header.offsets_at - 4, "<i4")[0])
    last_offset = int(_at(stream, header.boundaries_at - 8, "<i8")[0])
    first_offset = int(_at(stream, header.offsets_at, "<i8")[0])
    first = int(_at(stream, header.boundaries_at, "<i8")[0])
    last = int(_at(stream, header.size - 8, "<i8")[0])
    if first_offset != 0 or last_offset < 0 or last_length < 0:
        raise DataError("The offsets of the index do not start at 0.", where=str(index))
    if (first, last) != (0, header.sequences):
        raise DataError(
            f"The documents of the index reach from sequence {first:,} to {last:,}, not from 0 to "
            f"{header.sequences:,}.",
            where=str(index),
        )


def _at(stream: IO[bytes], position: int, dtype: str) -> NDArray[Any]:
    stream.seek(position)
    return np.fromfile(stream, dtype=dtype, count=1)
