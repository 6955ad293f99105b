"""A working tree, read: what is in each file, and one digest for all of it."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from nemo_runspec.errors import PackagingError
from nemo_runspec.packaging.code.secret_files import (
    holds,
    is_private_key,
    is_secret_name,
    refuse_secrets,
)
from nemo_runspec.redaction import known_secrets

Kind = Literal["file", "executable", "link"]
_FORMAT = b"nemotron code tree 1\n"
_CHUNK = 1 << 20
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR})


class _Stamp(NamedTuple):
    """What changes on disk when a file changes."""

    inode: int
    size: int
    modified_ns: int
    changed_ns: int


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One file or symbolic link of a tree.

    Attributes:
        path: Relative to the tree's top, with slashes.
        kind: What it is; of a file's mode only whether it can be executed counts, as for git.
        content: SHA-256 of a file's content, or a link's target, as bytes.
        size_bytes: Size of a file, 0 for a link.
        stamp: Tells whether it changed on disk since it was read.
    """

    path: str
    kind: Kind
    content: bytes
    size_bytes: int
    stamp: _Stamp = field(compare=False)


@dataclass(frozen=True)
class CodeTree:
    """What is sent for a working tree.

    Attributes:
        top: The folder.
        entries: Its files and links, in the order of their paths' bytes.
    """

    top: Path
    entries: tuple[TreeEntry, ...]

    @cached_property
    def digest(self) -> str:
        """64 hexadecimal digits: equal for equal trees, whatever machine, user and time."""
        digest = hashlib.sha256(_FORMAT)
        for entry in self.entries:
            path = os.fsencode(entry.path)
            digest.update(f"{entry.kind} {len(path)} {len(entry.content)}\n".encode())
            digest.update(path + entry.content)
        return digest.hexdigest()

    @property
    def size_bytes(self) -> int:
        """What its files hold together."""
        return sum(entry.size_bytes for entry in self.entries)

    def is_stale(self) -> bool:
        """Tell whether a file changed on disk since it was read."""
        return any(_stamp_now(f"{self.top}/{entry.path}") != entry.stamp for entry in self.entries)


def read_tree(top: Path, paths: Iterable[str]) -> CodeTree:
    """Read the files of a working tree.

    Args:
        top: The folder.
        paths: Files relative to it, sorted. What is gone from the disk is left out, and so is
            what is no file or link, or lies behind a link.

    Raises:
        PackagingError: A file holds credentials, cannot be read, or is a link that leaves the
            tree; or there is nothing to send.
    """
    present = _without_linked_folders(top, list(paths))
    refuse_secrets([path for path in present if is_secret_name(path)], top)
    known = known_secrets()
    read = [_read_entry(top, f"{top}/{path}", path, known) for path in present]
    secret = [path for path, found in zip(present, read, strict=True) if found == "secret"]
    refuse_secrets(secret, top)
    entries = tuple(found for found in read if isinstance(found, TreeEntry))
    if not entries:
        raise PackagingError(
            "There are no files to send.",
            where=str(top),
            hint="Start in the folder that your code lies in; ignored files do not count.",
        )
    return CodeTree(top, entries)


def _without_linked_folders(top: Path, paths: Sequence[str]) -> list[str]:
    """Leave out what git has as a file of a folder where a link stands now."""
    behind: dict[str, bool] = {"": False}
    start = f"{top}/"

    def is_behind_link(folder: str) -> bool:
        if folder not in behind:
            above = folder.rpartition("/")[0]
            behind[folder] = is_behind_link(above) or (top / folder).is_symlink()
        return behind[folder]

    return [
        path
        for path in paths
        if not is_behind_link(path.rpartition("/")[0]) and os.path.lexists(start + path)
    ]


def _read_entry(
    top: Path, file: str, path: str, known: Sequence[str]
) -> TreeEntry | Literal["secret"] | None:
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return _read_link(top, path)
        if error.errno in _GONE or not stat.S_ISREG(os.lstat(file).st_mode):
            return None
        raise _unreadable(top, path, error) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return None
    with os.fdopen(descriptor, "rb") as stream:
        head = stream.read(_CHUNK)
        # What people write by hand is no larger than this.
        if is_private_key(head) or holds(head, known):
            return "secret"
        digest = hashlib.sha256(head)
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    kind: Kind = "executable" if found.st_mode & stat.S_IXUSR else "file"
    return TreeEntry(path, kind, digest.digest(), found.st_size, _stamp(found))


def _read_link(top: Path, path: str) -> TreeEntry:
    link = top / path
    target = os.readlink(link)  # noqa: PTH115 - a Path would not be the same text
    if target.startswith("/") or not _stays_inside(top, path, target):
        raise PackagingError(
            f"The symbolic link {path!r} leads out of the tree, to {target!r}.",
            where=str(top),
            hint="Leave it out with 'exclude', or put what it leads to in its place.",
        )
    return TreeEntry(path, "link", os.fsencode(target), 0, _stamp(link.lstat()))


def _stays_inside(top: Path, path: str, target: str) -> bool:
    folder = path.rpartition("/")[0]
    if _is_above(os.path.normpath(f"{folder}/{target}" if folder else target)):
        return False
    real_top = os.path.realpath(top)
    return not _is_above(os.path.relpath(os.path.realpath(top / path), real_top))


def _is_above(path: str) -> bool:
    return path == ".." or path.startswith("../")


def _stamp(found: os.stat_result) -> _Stamp:
    return _Stamp(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _stamp_now(path: str) -> _Stamp | None:
    try:
        return _stamp(os.lstat(path))
    except OSError:
        return None


def _unreadable(top: Path, path: str, error: OSError) -> PackagingError:
    return PackagingError(
        f"{path!r} cannot be read: {error.strerror}.",
        where=str(top),
        hint="Make it readable, or leave it out with 'exclude'.",
    )
