"""Megatron's indexed datasets: raw tokens in ``.bin``, lengths and offsets in ``.idx``.

The index is little-endian: the magic text, version 1 (u64), the type code (u8), the number of
sequences and of document boundaries (u64 each); then lengths in tokens (i32), byte offsets
into ``.bin`` (i64), and document boundaries in sequences, from 0 (i64).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
_TYPE_CODES = {"<i4": 4, "<u2": 8}


class IndexedDatasetWriter:
    """Writes one ``.bin/.idx`` pair; every document is one sequence.

    Nothing is created before the first document, and the index only at the end of a block that
    succeeds.

    Args:
        prefix: The path without its suffix.
        dtype: Little-endian uint16 or int32.
    """

    def __init__(self, prefix: Path, dtype: np.dtype[Any]) -> None:
        self._prefix = prefix
        self._dtype = dtype
        self._stream: Any = None
        self._lengths: list[NDArray[np.int32]] = []

    def write(self, tokens: NDArray[np.int32], lengths: NDArray[np.int32]) -> None:
        """Append documents.

        Args:
            tokens: The ids of all documents, (tokens,).
            lengths: Tokens of each document, (documents,).
        """
        if not len(lengths):
            return
        if self._stream is None:
            self._prefix.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self._prefix.with_suffix(".bin").open("xb")
        self._stream.write(tokens.astype(self._dtype, copy=False).tobytes())
        self._lengths.append(lengths)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream is None:
            return
        self._stream.close()
        if kind is None:
            write_index(self._prefix.with_suffix(".idx"), self._lengths, self._dtype)


def write_index(path: Path, lengths: Sequence[NDArray[np.int32]], dtype: np.dtype[Any]) -> None:
    """Write the index of a ``.bin``.

    Args:
        path: The ``.idx`` file.
        lengths: Tokens of each document, in pieces.
        dtype: The type of the tokens.
    """
    sizes = np.concatenate(lengths).astype("<i4")
    offsets = np.zeros(len(sizes), dtype="<i8")
    np.cumsum(sizes[:-1], dtype=np.int64, out=offsets[1:])
    offsets *= dtype.itemsize
    documents = np.arange(len(sizes) + 1, dtype="<i8")
    code = _TYPE_CODES[dtype.newbyteorder("<").str]
    header = struct.pack("<QBQQ", VERSION, code, len(sizes), len(documents))
    with path.open("xb") as stream:
        stream.write(MAGIC + header)
        for part in (sizes, offsets, documents):
            stream.write(part.tobytes())
