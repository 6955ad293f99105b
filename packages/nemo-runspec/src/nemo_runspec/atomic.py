"""Whole files or none: write beside the target, then replace it."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


def publish_once(path: str | Path, data: bytes) -> bool:
    """Write a local file whole, unless it exists.

    Args:
        path: The file to create; its folder is created where missing.
        data: The whole content.

    Returns:
        Whether this call created it; of several at a time exactly one does, where the file
        system has hard links.

    Raises:
        OSError: The write failed; nothing is left.
    """
    target = Path(path)
    if target.exists():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        staged.write_bytes(data)
        return _link(staged, target)
    finally:
        staged.unlink(missing_ok=True)


def _link(staged: Path, target: Path) -> bool:
    try:
        os.link(staged, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        staged.replace(target)
    return True


def write_atomically(path: str | Path, data: bytes) -> None:
    """Write a local file so that readers see the old content or the new, never a part.

    Args:
        path: The file to create or replace; its folder is created where missing.
        data: The whole content.

    Raises:
        OSError: The write failed; the old content stands and no temporary file is left.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    staged = target.with_name(f".{target.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}")
    try:
        with staged.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(target)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
