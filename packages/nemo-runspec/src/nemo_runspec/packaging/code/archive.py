"""Archives that depend on their content alone: equal trees make equal bytes."""

from __future__ import annotations

import errno
import gzip
import io
import os
import tarfile
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.code.tree import CodeTree, Kind

_FILE_MODE = 0o644
_EXECUTABLE_MODE = 0o755
_LINK_MODE = 0o777
_LEVEL = 6
_MODES: dict[Kind, int] = {
    "file": _FILE_MODE,
    "executable": _EXECUTABLE_MODE,
    "link": _LINK_MODE,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One file or link of an archive.

    Attributes:
        name: Its path in the archive.
        kind: What it is.
        source: Where its content lies, or the content itself; a link's target as bytes.
    """

    name: str
    kind: Kind
    source: Path | bytes


def tree_members(tree: CodeTree, *, below: str = "") -> Iterator[Member]:
    """List a tree's files as members of an archive.

    Args:
        tree: The tree.
        below: The folder that they get in the archive.
    """
    for entry in tree.entries:
        name = f"{below}/{entry.path}" if below else entry.path
        source = entry.content if entry.kind == "link" else tree.top / entry.path
        yield Member(name, entry.kind, source)


def write_archive(output: Path, members: Iterable[Member]) -> None:
    """Write a gzipped tar file, whole or not at all.

    Members are sorted by name; times and owners are zero, and of the modes only whether a file
    can be executed is kept. Of two members with one name the later one stands.

    Args:
        output: The file to write; one that exists is replaced, its folder is created.
        members: What it holds.

    Raises:
        PackagingError: It cannot be written, or a member cannot be read.
    """
    with _replacing(output) as raw:
        _write(raw, members)


def archive_bytes(members: Iterable[Member]) -> bytes:
    """Make the same archive in memory, of what is small."""
    raw = io.BytesIO()
    _write(raw, members)
    return raw.getvalue()


def _write(raw: IO[bytes], members: Iterable[Member]) -> None:
    by_name = {member.name: member for member in members}
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=_LEVEL, fileobj=raw, mtime=0) as packed,
        tarfile.open(
            fileobj=packed, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8"
        ) as archive,
    ):
        for name in sorted(by_name, key=os.fsencode):
            _add(archive, by_name[name])


def _add(archive: tarfile.TarFile, member: Member) -> None:
    info = tarfile.TarInfo(member.name)
    info.mode = _MODES[member.kind]
    if isinstance(member.source, Path):
        _add_file(archive, info, member.source)
    elif member.kind == "link":
        info.type = tarfile.SYMTYPE
        info.linkname = os.fsdecode(member.source)
        archive.addfile(info)
    else:
        info.size = len(member.source)
        archive.addfile(info, io.BytesIO(member.source))


def _add_file(archive: tarfile.TarFile, info: tarfile.TarInfo, source: Path) -> None:
    try:
        stream = source.open("rb")
    except OSError as error:
        raise PackagingError(
            f"A file of the code cannot be read: {error.strerror}.", where=str(source)
        ) from error
    with stream:
        info.size = os.fstat(stream.fileno()).st_size
        archive.addfile(info, stream)


@contextmanager
def _replacing(output: Path) -> Iterator[IO[bytes]]:
    staged = output.with_name(f".{output.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        stream = staged.open("xb")
    except OSError as error:
        raise _unwritten(output, error) from error
    try:
        with stream:
            yield stream
        staged.replace(output)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise _unwritten(output, error) from error
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def _unwritten(output: Path, error: OSError) -> PackagingError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return PackagingError(
        f"The archive cannot be written: {error.strerror or error}.",
        where=str(output),
        hint="Free some space there." if full else "Choose a folder that you can write to.",
    )
