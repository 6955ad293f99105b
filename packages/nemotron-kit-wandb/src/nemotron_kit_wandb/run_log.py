"""The client's own log of a run: ``run-ID.wandb`` in the run's folder, written by ``wandb-core``.

It holds what the script told the client, rows of metrics among it, whether the server heard them
or not. The format is that of LevelDB's logs: blocks of 32 KiB, and in them chunks of records.
What has not filled a block is in the memory of ``wandb-core`` alone.
"""

from __future__ import annotations

import struct
import time
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from wandb import Run

_BLOCK_BYTES = 32 * 1024
_FILE_HEADER_BYTES = 7
_CHUNK = struct.Struct("<IHB")
_FULL, _FIRST, _LAST = 1, 2, 4
_PADDING_BYTES = 2 * _BLOCK_BYTES
_TAIL_BLOCKS = 5
_WRITE_S = 2.0
_PAUSE_S = 0.02


def log_file(folder: str | Path, run_id: str) -> Path:
    """Where the client keeps the log of a run.

    Args:
        folder: The run's own folder.
        run_id: Its id.
    """
    return Path(folder, f"run-{run_id}.wandb")


def interface_of(run: Run) -> Any:
    """What a run tells its ``wandb-core`` things through; None once it is finished."""
    # No public name leads there, in any version.
    found: Any = getattr(run, "_interface", None)
    return found or getattr(getattr(run, "_backend", None), "interface", None)


def protocol() -> Any:
    """What a run and its ``wandb-core`` tell each other, as the client's messages."""
    from wandb.proto import wandb_internal_pb2

    return wandb_internal_pb2


def read_log(file: Path, *, last_blocks: int | None = None) -> Iterator[Any]:
    """Read the records of a log, up to where it breaks off or is damaged.

    Args:
        file: The log.
        last_blocks: Read no more than so many blocks before its last one.

    Raises:
        OSError: It cannot be read.
    """
    record_type = protocol().Record
    with file.open("rb") as stream:
        if last_blocks is not None:
            size = stream.seek(0, 2)
            stream.seek(max(0, size // _BLOCK_BYTES - last_blocks) * _BLOCK_BYTES)
        parts: list[bytes] | None = None
        for kind, data in _chunks(stream):
            if kind in (_FULL, _FIRST):
                parts = []
            if parts is None:  # it began before the first block that is read
                continue
            parts.append(data)
            if kind in (_FULL, _LAST):
                yield record_type.FromString(b"".join(parts))
                parts = None


def _chunks(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    at = 0 if stream.tell() else _FILE_HEADER_BYTES
    while block := stream.read(_BLOCK_BYTES):
        while at + _CHUNK.size <= len(block):  # else the rest of the block is left empty
            checksum, length, kind = _CHUNK.unpack_from(block, at)
            start, end = at + _CHUNK.size, at + _CHUNK.size + length
            if end > len(block) or zlib.crc32(block[start - 1 : end]) != checksum:
                return
            yield kind, block[start:end]
            at = end
        at = 0


def write_out(run: Run) -> Path | None:
    """Have ``wandb-core`` write out what it holds of a run's log, its end too where that comes.

    It is asked for nothing that the server has a part in, and waited for no longer than a moment.

    Args:
        run: The run, which ends.

    Returns:
        The log; None where there is none.

    Raises:
        OSError: It cannot be read.
    """
    log, interface = log_file(run.settings.sync_dir, run.id), interface_of(run)
    if not log.is_file():
        return None
    deadline = time.monotonic() + _WRITE_S
    while interface is not None and time.monotonic() < deadline:
        mark = uuid.uuid4().hex
        interface._publish(_padding(mark), nowait=True)  # noqa: SLF001 - no public one pads
        while not _has(log, mark) and time.monotonic() < deadline:
            time.sleep(_PAUSE_S)
        if _ends(log):
            break
    return log


def _padding(mark: str) -> Any:
    """A record that says nothing and fills a block, so that the blocks before it are written."""
    record = protocol().Record(uuid=mark * (_PADDING_BYTES // len(mark)))
    record.telemetry.SetInParent()
    return record


def _has(log: Path, mark: str) -> bool:
    with log.open("rb") as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - _TAIL_BLOCKS * _BLOCK_BYTES))
        return mark.encode() in stream.read()


def _ends(log: Path) -> bool:
    tail = read_log(log, last_blocks=_TAIL_BLOCKS)
    return any(record.WhichOneof("record_type") == "exit" for record in tail)
