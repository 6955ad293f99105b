"""Check packed conversations by their footers and headers; packs are not read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo_runspec.errors import DataError

_PARQUET = (".parquet", ".pq")
_NPY = ".npy"
_COLUMNS = {
    "input_ids": "integers",
    "loss_mask": "integers or booleans",
    "seq_start_id": "integers",
}
_SIZE_IN_NAME = re.compile(r".*_(\d+)\.npy")


@dataclass(frozen=True, slots=True)
class PackCounts:
    """What the packs of a split hold.

    Attributes:
        files: Their files.
        packs: How many there are.
        tokens: Tokens in all of them; None for ``.npy``, which does not tell.
    """

    files: tuple[Path, ...]
    packs: int
    tokens: int | None


def check_packs(place: str, *, named_at: str) -> PackCounts:
    """Check the packs of a split.

    Args:
        place: A folder of Parquet files, one file (``.parquet``, ``.pq`` or ``.npy``), or a
            pattern for the last part of the path.
        named_at: The file and key that name it, for messages.

    Raises:
        DataError: Nothing is there, or a file is damaged or has other columns; the file and the
            column are named.
    """
    files = _files(place, named_at)
    if files[0].suffix == _NPY:
        return PackCounts(files, _npy_packs(files[0]), None)
    footers = [_check_footer(file) for file in files]
    packs = sum(count for count, _ in footers)
    if not packs:
        raise DataError("The split holds no packs.", where=place)
    return PackCounts(files, packs, sum(tokens for _, tokens in footers))


def size_in_name(file: Path) -> int | None:
    """The pack size in the name of an ``.npy`` file, as in ``training_4096.npy``."""
    named = _SIZE_IN_NAME.fullmatch(file.name)
    return int(named.group(1)) if named else None


def longest_pack(files: tuple[Path, ...]) -> int:
    """Read how long the longest pack is; one narrow column is read in pieces.

    Args:
        files: Parquet files that were checked.

    Raises:
        DataError: A column is damaged; the file is named.
    """
    return max(_longest(file) for file in files)


def _longest(file: Path) -> int:
    import pyarrow.compute as pc

    longest = 0
    try:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(columns=["loss_mask"], batch_size=1024):
                lengths: Any = pc.list_value_length(batch.column(0))
                longest = max(longest, pc.max(lengths).as_py() or 0)
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"The column is damaged: {error}.", where=f"{file}: loss_mask") from error
    return longest


def _files(place: str, named_at: str) -> tuple[Path, ...]:
    path = Path(place)
    if path.is_dir():
        files = sorted(filter(_is_parquet, path.iterdir()))
    elif path.suffix in (*_PARQUET, _NPY) and path.is_file():
        files = [path]
    else:
        found = sorted(path.parent.glob(path.name)) if path.name else []
        files = list(filter(_is_parquet, found))
    if not files:
        wanted = "holds no Parquet files" if path.is_dir() else "is missing, or no Parquet or .npy"
        raise DataError(f"{named_at} names packs that cannot be used: it {wanted}.", where=place)
    return tuple(files)


def _is_parquet(file: Path) -> bool:
    return file.suffix in _PARQUET and file.is_file()


def _npy_packs(file: Path) -> int:
    shape, dtype = _npy_header(file)
    if dtype.hasobject and len(shape) == 1 and shape[0]:
        return int(shape[0])
    raise DataError(
        f"The array holds {dtype} of shape {shape}; packs are a list of objects with "
        f"{', '.join(_COLUMNS)}.",
        where=str(file),
    )


def _npy_header(file: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    # Loading an array of objects runs code that the file names; its header is only text.
    try:
        with file.open("rb") as stream:
            version = np.lib.format.read_magic(stream)
            if version == (1, 0):
                shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
            else:
                shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
    except (OSError, ValueError) as error:
        raise DataError(f"The file is no NumPy array: {error}.", where=str(file)) from error
    return shape, dtype


def _check_footer(file: Path) -> tuple[int, int]:
    """Check one Parquet file.

    Returns:
        Its packs and tokens.
    """
    try:
        with pq.ParquetFile(file) as parquet:
            _check_columns(parquet.schema_arrow, file)
            metadata = parquet.metadata
    except (OSError, pa.ArrowException) as error:
        raise DataError(f"The file is no Parquet file: {error}.", where=str(file)) from error
    values = _values(metadata)
    if values["loss_mask"] != values["input_ids"]:
        raise DataError(
            f"The column has {values['loss_mask']:,} values, and input_ids "
            f"{values['input_ids']:,}: a mask has one for every token.",
            where=f"{file}: loss_mask",
        )
    return int(metadata.num_rows), values["input_ids"]


def _check_columns(schema: Any, file: Path) -> None:
    for column, wanted in _COLUMNS.items():
        where = f"{file}: {column}"
        if column not in schema.names:
            known = ", ".join(schema.names)
            raise DataError("The column is missing.", where=where, hint=f"There are: {known}.")
        found = schema.field(column).type
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found)
        if not is_list or not _fits(found.value_type, column):
            raise DataError(
                f"The column is {found}; Megatron-Bridge reads lists of {wanted}.", where=where
            )


def _fits(element: Any, column: str) -> bool:
    if column == "loss_mask" and pa.types.is_boolean(element):
        return True
    return bool(pa.types.is_integer(element))


def _values(metadata: Any) -> dict[str, int]:
    """Count the values of every column over all row groups, as the footer has them."""
    totals = dict.fromkeys(_COLUMNS, 0)
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for index in range(row_group.num_columns):
            chunk = row_group.column(index)
            name = chunk.path_in_schema.split(".")[0]
            if name in totals:
                totals[name] += chunk.num_values
    return totals
