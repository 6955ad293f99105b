"""Temporary folders that do not outlive their process for long, however it ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

_PREFIX = "nemotron-scratch-"
# Between being made and being held a folder is nobody's.
_YOUNGEST_S = 60.0


@contextmanager
def scratch_folder(purpose: str, *, parent: str | None = None) -> Iterator[Path]:
    """Make a folder for what nobody needs later.

    A process that is killed leaves it behind; the next one that asks for a folder in the same
    place removes it. Whether its process lives is told by a lock, which the kernel takes back.

    Args:
        purpose: A word for its name.
        parent: Where it is made; by default where temporary files go.
    """
    place = parent or tempfile.gettempdir()
    _remove_abandoned(place)
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{purpose}-", dir=place) as folder:
        held = _hold(folder)
        try:
            yield Path(folder)
        finally:
            if held is not None:
                os.close(held)


@cache
def _remove_abandoned(parent: str) -> None:
    """Remove what killed processes left; each process looks once."""
    with os.scandir(parent) as entries:
        mine = [entry.path for entry in entries if entry.name.startswith(_PREFIX)]
    for folder in mine:
        # Two processes that look at once find the same folders.
        with suppress(FileNotFoundError):
            _remove_if_abandoned(folder)


def _remove_if_abandoned(folder: str) -> None:
    held = _hold(folder) if _is_old(folder) else None
    if held is not None:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(held)


def _is_old(folder: str) -> bool:
    status = os.lstat(folder)
    return status.st_uid == os.getuid() and time.time() - status.st_mtime > _YOUNGEST_S


def _hold(folder: str) -> int | None:
    """Lock a folder until the descriptor is closed; None where another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        # Held, or on a file system without locks: then it is left alone.
        os.close(descriptor)
        return None
    return descriptor
