"""All places that a reader of some data touches: through links, and through other mounts.

Paths alone do not tell whether two places are one: a link or a bind mount gives a folder a second
name. Here a place is known by its real path and by the identities of the folders that hold it.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOUNT_TABLE = Path("/proc/self/mountinfo")
_MOUNT_POINT = 4
_OCTAL_ESCAPE = re.compile(rb"\\([0-7]{3})")
_MOST_LINKS = 40
_LEADS_NOWHERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})

Identity = tuple[int, int]


@dataclass(frozen=True)
class Place:
    """A file or folder under any of its names.

    Attributes:
        path: Its real path.
        own: Its device and inode; None where it does not exist.
        line: The devices and inodes of itself and of all folders that hold it.
    """

    path: Path
    own: Identity | None
    line: frozenset[Identity]

    def holds(self, inner: Place) -> bool:
        """Whether another place is this one or lies in it."""
        return inner.path.is_relative_to(self.path) or self.own in inner.line


def place_at(path: Path) -> Place:
    """Look up what a path means; it need not exist.

    Args:
        path: An absolute path that the file system can spell.
    """
    return settled_place(Path(os.path.realpath(path)))


def settled_place(path: Path) -> Place:
    """Look a place up under its real path, where a link is a place of its own.

    Args:
        path: An absolute path without links above its last part.
    """
    line = [_identity(each) for each in (path, *path.parents)]
    return Place(path, line[0], frozenset(each for each in line if each is not None))


def is_spellable(path: str) -> bool:
    """Whether a file can have this path at all."""
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        return False


def passed_places(path: Path) -> list[Path]:
    """The links that are passed on the way to what a path means, and that itself.

    Args:
        path: An absolute path.
    """
    passed: list[Path] = []
    here, ahead = Path("/"), list(reversed(path.parts))
    while ahead and len(passed) <= _MOST_LINKS:
        part = ahead.pop()
        here = here.parent if part == ".." else here / part
        try:
            target = here.readlink()
        except OSError:
            continue
        passed.append(here)
        ahead.extend(reversed(target.parts))
        here = here.parent
    return [*passed, here]


def linked_places(folder: Path) -> Iterator[Path]:
    """Everything that links and mounts below a folder lead to, through any number of links.

    Args:
        folder: A folder; of a file, or of what does not exist, there is nothing.

    Raises:
        OSError: Something below it cannot be read, so what it leads to is not known.
    """
    mounts = _mount_points()
    seen: set[Path] = set()
    ahead = [Path(os.path.realpath(folder))]
    while ahead:
        root = ahead.pop()
        if root in seen or not _is_folder(root):
            continue
        seen.add(root)
        yield from (mount for mount in mounts if mount != root and mount.is_relative_to(root))
        for link in _links(root):
            places = passed_places(link)
            yield from places
            if not any(places[-1].is_relative_to(known) for known in seen):
                ahead.append(places[-1])


def folders_below(folder: Path) -> list[Path]:
    """A folder and all folders below it; links are not followed.

    Raises:
        OSError: One of them cannot be read.
    """
    return [Path(found) for found, _, _ in os.walk(folder, onerror=_refuse)]


def mounts_below(folder: Path) -> list[Path]:
    """The mount points at and below a folder, bind mounts too.

    Args:
        folder: Its real path.
    """
    return [mount for mount in _mount_points() if mount.is_relative_to(folder)]


def identities(folders: list[Path]) -> frozenset[Identity]:
    """The devices and inodes of folders."""
    found = (_identity(folder) for folder in folders)
    return frozenset(each for each in found if each is not None)


def _links(root: Path) -> Iterator[Path]:
    for folder, folders, files in os.walk(root, onerror=_refuse):
        for name in (*folders, *files):
            path = Path(folder, name)
            if stat.S_ISLNK(path.lstat().st_mode):
                yield path


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        if error.errno in _LEADS_NOWHERE:
            return False
        raise


def _refuse(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _identity(path: Path) -> Identity | None:
    try:
        status = path.lstat()
    except OSError:
        return None
    folder_or_file = stat.S_ISDIR(status.st_mode) or stat.S_ISREG(status.st_mode)
    return (status.st_dev, status.st_ino) if folder_or_file else None


def _mount_points() -> list[Path]:
    try:
        table = _MOUNT_TABLE.read_bytes()
    except FileNotFoundError:
        return []
    fields = (line.split(b" ") for line in table.splitlines())
    return [_decoded(each[_MOUNT_POINT]) for each in fields if len(each) > _MOUNT_POINT]


def _decoded(field: bytes) -> Path:
    raw = _OCTAL_ESCAPE.sub(lambda match: bytes([int(match.group(1), 8)]), field)
    return Path(os.fsdecode(raw))
