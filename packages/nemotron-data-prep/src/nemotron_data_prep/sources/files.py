"""The files of a dataset: found, measured and digested."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from nemo_runspec.errors import DataError
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.sources.opening import COMPRESSIONS, is_remote, open_raw, unreadable

_FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".rst": "text",
}
_DIGEST_BLOCK_BYTES = 1 << 20
_LINE_BREAK = 0x0A


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a blend.

    Attributes:
        dataset: The index of its dataset in the blend.
        uri: A local path or a URL.
        format: ``jsonl``, ``parquet`` or ``text``.
        compression: ``gzip``, ``zstd`` or None.
        size_bytes: Stored bytes.
        sha256: Digest of the stored bytes, in hex.
        row_groups: Rows of each row group of a Parquet file, else empty.
        longest_at: Byte offset of the longest line of an uncompressed file of lines, else None.
    """

    dataset: int
    uri: str
    format: str
    compression: str | None
    size_bytes: int
    sha256: str
    row_groups: tuple[int, ...] = ()
    longest_at: int | None = None


def find_files(datasets: Sequence[Dataset]) -> tuple[SourceFile, ...]:
    """List the files of all datasets in a stable order, and digest each once.

    Raises:
        DataError: A dataset has no files, or a file is unreadable or of unknown format.
    """
    listed = [
        (index, uri, *_format(dataset, uri))
        for index, dataset in enumerate(datasets)
        for uri in _list(dataset)
    ]
    threads = min(8, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(lambda entry: _measure(*entry), listed))


def _list(dataset: Dataset) -> list[str]:
    found = _list_remote(dataset) if is_remote(dataset.path) else _list_local(dataset)
    if not found:
        raise DataError(
            f"The dataset {dataset.name!r} has no files.",
            where=dataset.path,
            hint="Check its path in the blend file.",
        )
    return found


def _list_local(dataset: Dataset) -> list[str]:
    path = Path(dataset.path)
    try:
        if path.is_dir():
            return sorted(
                str(item) for item in path.rglob("*") if item.is_file() and _is_data(dataset, item)
            )
        if path.exists():
            return [str(path)]
    except OSError as error:
        raise unreadable(dataset.path, error) from error
    if glob.has_magic(dataset.path):
        return sorted(item for item in glob.glob(dataset.path, recursive=True))  # noqa: PTH207 - absolute pattern
    return []


def _list_remote(dataset: Dataset) -> list[str]:
    import fsspec

    try:
        filesystem, path = fsspec.core.url_to_fs(dataset.path)
        if glob.has_magic(path):
            found = filesystem.glob(path)
        elif filesystem.isdir(path):
            found = [item for item in filesystem.find(path) if _is_data(dataset, Path(item))]
        else:
            found = [path] if filesystem.exists(path) else []
    except (OSError, ImportError, ValueError) as error:
        raise unreadable(dataset.path, error) from error
    return sorted(filesystem.unstrip_protocol(item) for item in found)


def _is_data(dataset: Dataset, path: Path) -> bool:
    if path.name.startswith("."):
        return False
    return dataset.format is not None or _by_suffix(path.name)[0] is not None


def _format(dataset: Dataset, uri: str) -> tuple[str, str | None]:
    known, compression = _by_suffix(PurePosixPath(uri).name)
    chosen = dataset.format or known
    if chosen is None:
        raise DataError(
            f"The format of a file of {dataset.name!r} cannot be told from its name.",
            where=uri,
            hint="Set 'format' of the dataset to jsonl, parquet or text.",
        )
    return chosen, None if chosen == "parquet" else compression


def _by_suffix(name: str) -> tuple[str | None, str | None]:
    suffixes = [suffix.lower() for suffix in PurePosixPath(name).suffixes]
    compression = COMPRESSIONS.get(suffixes[-1]) if suffixes else None
    if compression is not None:
        suffixes.pop()
    return (_FORMATS.get(suffixes[-1]) if suffixes else None), compression


def _measure(dataset: int, uri: str, file_format: str, compression: str | None) -> SourceFile:
    digest = hashlib.sha256()
    lines = LongestLine()
    try:
        with open_raw(uri) as stream:
            while block := stream.read(_DIGEST_BLOCK_BYTES):
                digest.update(block)
                lines.add(block)
    except OSError as error:
        raise unreadable(uri, error) from error
    of_lines = compression is None and file_format != "parquet"
    return SourceFile(
        dataset,
        uri,
        file_format,
        compression,
        lines.size_bytes,
        digest.hexdigest(),
        _row_groups(uri) if file_format == "parquet" else (),
        lines.longest()[0] if of_lines else None,
    )


class LongestLine:
    """Finds the longest line of a file that passes by in blocks."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._line_start = 0
        self._found = (0, 0)

    def add(self, block: bytes) -> None:
        """Take the next block."""
        breaks = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == _LINE_BREAK)
        if len(breaks):
            bounds = np.concatenate([[self._line_start], breaks + self.size_bytes + 1])
            sizes = np.diff(bounds)
            longest = int(sizes.argmax())
            self._note(int(bounds[longest]), int(sizes[longest]))
            self._line_start = int(bounds[-1])
        self.size_bytes += len(block)

    def longest(self) -> tuple[int, int]:
        """Where the longest line starts, and its size with its line break, in bytes."""
        self._note(self._line_start, self.size_bytes - self._line_start + 1)
        return self._found

    def _note(self, start: int, size: int) -> None:
        if size > self._found[1]:
            self._found = (start, size)


def _row_groups(uri: str) -> tuple[int, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_raw(uri) as stream:
            metadata = pq.read_metadata(stream)
    except (pa.ArrowInvalid, OSError) as error:
        raise unreadable(uri, error) from error
    return tuple(metadata.row_group(index).num_rows for index in range(metadata.num_row_groups))
