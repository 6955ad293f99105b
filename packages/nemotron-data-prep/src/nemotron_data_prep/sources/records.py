"""Read the records of a slice of a file, in batches, with the place of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import IO, Any

import orjson

from nemo_runspec.errors import DataError
from nemotron_data_prep.sources.files import SourceFile
from nemotron_data_prep.sources.opening import open_content, open_raw, unreadable

BLOCK_BYTES = 4 << 20
_ROWS_PER_BATCH = 1024
_BOM = b"\xef\xbb\xbf"
_BLANK_LINES = re.compile(rb"\r?\n[ \t]*\r?\n\s*")


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a file.

    Attributes:
        file: The index of the file in the plan.
        start: First byte, or first row group of a Parquet file.
        stop: End, exclusive; None reads to the end. A line belongs to the slice that holds
            its first byte.
    """

    file: int
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True, slots=True)
class Invalid:
    """A record that cannot be read.

    Attributes:
        reason: A key of :data:`nemotron_data_prep.accounting.REASONS`.
        detail: What the parser said.
        position: Where, as in :attr:`Batch.positions`.
    """

    reason: str
    detail: str
    position: int


@dataclass(slots=True)
class Batch:
    """Some records of a file.

    Attributes:
        values: JSON objects; for text files ``{text_field: …}``.
        positions: Byte offset of each in the decompressed file, or its row.
        invalid: What could not be read.
    """

    values: list[dict[str, Any]] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    invalid: list[Invalid] = field(default_factory=list)

    def add(self, value: dict[str, Any], position: int) -> None:
        """Add a readable record."""
        self.values.append(value)
        self.positions.append(position)


def read_batches(
    file: SourceFile,
    part: Slice,
    *,
    text_field: str,
    sample_by: str,
    columns: Sequence[str] | None,
) -> Iterator[Batch]:
    """Read the records of a slice.

    Args:
        file: The file.
        part: What to read of it.
        text_field: The key that text files' records are given under.
        sample_by: ``document``, ``paragraph`` or ``line``, for text files.
        columns: The Parquet columns to read where they exist; None reads all.

    Raises:
        DataError: The file became unreadable.
    """
    if file.format == "parquet":
        yield from _parquet(file, part, columns)
        return
    with open_content(file.uri, file.compression) as stream:
        if file.format == "jsonl":
            yield from (_json_lines(block, at) for at, block in _blocks(stream, part))
        elif sample_by == "line":
            yield from (_text_lines(block, at, text_field) for at, block in _blocks(stream, part))
        else:
            yield _whole_text(stream.read(), text_field, sample_by)


def describe_place(file: SourceFile, position: int) -> str:
    """Say where a record stands: ``path:line``, or ``path: row N`` for Parquet.

    The lines before it are counted only now, so that reading good data costs nothing.
    """
    if file.format == "parquet":
        return f"{file.uri}: row {position}"
    line = 1
    with open_content(file.uri, file.compression) as stream:
        left = position
        while left > 0 and (block := stream.read(min(left, BLOCK_BYTES))):
            line += block.count(b"\n")
            left -= len(block)
    return f"{file.uri}:{line}"


def _blocks(stream: IO[bytes], part: Slice) -> Iterator[tuple[int, bytes]]:
    """Whole lines in blocks of a few MiB, with the offset of each block."""
    position = part.start
    if position > 0:
        stream.seek(position - 1)
        position += len(stream.readline()) - 1
    while part.stop is None or position < part.stop:
        wanted = BLOCK_BYTES if part.stop is None else min(BLOCK_BYTES, part.stop - position)
        block = stream.read(wanted)
        if not block:
            return
        if not block.endswith(b"\n"):
            block += stream.readline()
        yield position, block
        position += len(block)


def _json_lines(block: bytes, position: int) -> Batch:
    lines = block.split(b"\n")
    if not lines[-1]:
        lines.pop()
    try:
        values = list(map(orjson.loads, lines))
    except orjson.JSONDecodeError:
        return _json_lines_one_by_one(lines, position)
    if set(map(type, values)) != {dict}:
        return _json_lines_one_by_one(lines, position)
    starts = accumulate((len(line) + 1 for line in lines[:-1]), initial=position)
    return Batch(values, list(starts))


def _json_lines_one_by_one(lines: list[bytes], position: int) -> Batch:
    """The same where a line is blank, starts with a mark, or is no JSON object."""
    batch = Batch()
    loads = orjson.loads
    for raw in lines:
        line = raw.removeprefix(_BOM) if position == 0 else raw
        if line and not line.isspace():
            try:
                value = loads(line)
            except orjson.JSONDecodeError as error:
                batch.invalid.append(_invalid_line(error, position))
            else:
                _add_object(batch, value, position)
        position += len(raw) + 1
    return batch


def _invalid_line(error: orjson.JSONDecodeError, position: int) -> Invalid:
    unicode = "UTF-8" in error.msg or "surrogate" in error.msg
    detail = f"{error.msg} (column {error.colno})"
    return Invalid("invalid_unicode" if unicode else "invalid_json", detail, position)


def _add_object(batch: Batch, value: Any, position: int) -> None:
    if isinstance(value, dict):
        batch.add(value, position)
    else:
        batch.invalid.append(Invalid("not_an_object", type(value).__name__, position))


def _text_lines(block: bytes, position: int, text_field: str) -> Batch:
    batch = Batch()
    for raw in block.split(b"\n"):
        if raw and not raw.isspace():
            _add_text(batch, raw.removesuffix(b"\r"), position, text_field)
        position += len(raw) + 1
    return batch


def _whole_text(content: bytes, text_field: str, sample_by: str) -> Batch:
    batch = Batch()
    if sample_by == "document":
        _add_text(batch, content, 0, text_field)
        return batch
    start = 0
    for gap in _BLANK_LINES.finditer(content):
        _add_paragraph(batch, content[start : gap.start()], start, text_field)
        start = gap.end()
    _add_paragraph(batch, content[start:], start, text_field)
    return batch


def _add_paragraph(batch: Batch, content: bytes, position: int, text_field: str) -> None:
    if content and not content.isspace():
        _add_text(batch, content.rstrip(b"\r\n"), position, text_field)


def _add_text(batch: Batch, content: bytes, position: int, text_field: str) -> None:
    try:
        text = content.removeprefix(_BOM).decode()
    except UnicodeDecodeError as error:
        batch.invalid.append(Invalid("invalid_unicode", str(error), position))
    else:
        batch.add({text_field: text}, position)


def _parquet(file: SourceFile, part: Slice, columns: Sequence[str] | None) -> Iterator[Batch]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    groups = range(part.start, len(file.row_groups) if part.stop is None else part.stop)
    row = sum(file.row_groups[: part.start])
    try:
        with open_raw(file.uri) as stream:
            reader = pq.ParquetFile(stream)
            wanted = _known_columns(reader.schema_arrow.names, columns, file.uri)
            for table in reader.iter_batches(
                batch_size=_ROWS_PER_BATCH, row_groups=list(groups), columns=wanted
            ):
                yield _rows(table, row)
                row += table.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        raise unreadable(file.uri, error) from error


def _known_columns(
    names: Sequence[str], columns: Sequence[str] | None, uri: str
) -> list[str] | None:
    if columns is None:
        return None
    if columns[0] not in names:
        raise DataError(
            f"The Parquet file has no column {columns[0]!r}; it has {', '.join(names)}.",
            where=uri,
            hint="Name the column in the blend file (text_field, messages_field).",
        )
    return [column for column in columns if column in names]


def _rows(table: Any, first_row: int) -> Batch:
    try:
        values = table.to_pylist()
        return Batch(values, list(range(first_row, first_row + len(values))))
    except UnicodeDecodeError:
        return _rows_one_by_one(table, first_row)


def _rows_one_by_one(table: Any, first_row: int) -> Batch:
    batch = Batch()
    for index in range(table.num_rows):
        try:
            batch.add(table.slice(index, 1).to_pylist()[0], first_row + index)
        except UnicodeDecodeError as error:
            batch.invalid.append(Invalid("invalid_unicode", str(error), first_row + index))
    return batch
