"""Read what a job prints, file by file, as the files grow."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from nemo_runspec.execution.jobs.status import OutputChunk, OutputPosition

_LARGEST_BYTES = 1 << 20
_OF_TASK = re.compile(r"-task_\d+_")
_DIGITS = re.compile(r"(\d+)")


def read_local_files(pattern: str, position: OutputPosition) -> OutputChunk:
    """Read what files of this machine have behind a position.

    Args:
        pattern: A path with ``*``.
        position: How far they were read.

    Returns:
        At most a mebibyte of each file; ask again until nothing comes.
    """
    place = Path(pattern)
    return joined(_read_all(place.parent.glob(place.name), position), position)


def _read_all(files: Iterable[Path], position: OutputPosition) -> Iterator[tuple[str, int, bytes]]:
    for file in files:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            start = _start_of(position, file.name, size)
            stream.seek(start)
            yield file.name, start, stream.read(_LARGEST_BYTES)


def _start_of(position: OutputPosition, name: str, size: int) -> int:
    """Where to go on reading a file: at its beginning where it is shorter than what was read."""
    start = position.files.get(name, 0)
    return 0 if start > size else start


def joined(parts: Iterable[tuple[str, int, bytes]], position: OutputPosition) -> OutputChunk:
    """Put the news of several files together, with a line between them that names the next one.

    What tasks of an array print is named from the first one on.

    Args:
        parts: Name, where the news begins, and the news of each file.
        position: How far they were read before.
    """
    files = dict(position.files)
    last = position.last
    data: list[bytes] = []
    for name, start, news in sorted(parts, key=lambda part: _natural(part[0])):
        files[name] = start + len(news)
        if not news:
            continue
        if last != name and (last is not None or _OF_TASK.search(name)):
            data.append(f"{'' if last is None else chr(10)}==> {name} <==\n".encode())
        last = name
        data.append(news)
    return OutputChunk(b"".join(data), OutputPosition(files, last))


def _natural(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in _DIGITS.split(name)]
