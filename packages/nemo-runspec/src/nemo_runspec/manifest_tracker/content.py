"""Measure what lies at an artifact's path."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

from nemo_runspec.artifacts.metadata_file import METADATA_FILE
from nemo_runspec.artifacts.paths import RemotePath, local_path
from nemo_runspec.manifest_tracker.schema import Content

logger = logging.getLogger(__name__)


def measure_content(path: Path | RemotePath) -> Content | None:
    """Count the bytes and files below a local path.

    The ``metadata.json`` that we write ourselves is left out; links are counted, not followed.

    Returns:
        None for remote storage, for a path that does not exist, and where something below it
        cannot be read.
    """
    local = local_path(path)
    if local is None:
        return None
    try:
        return _measured(local)
    except OSError as error:
        logger.warning("The size of %s is not recorded: %s", local, error)
        return None


def _measured(local: Path) -> Content | None:
    if not local.exists():
        return None
    if local.is_file():
        return Content(bytes=local.stat().st_size, files=1)
    sizes = list(_sizes(str(local), skip=str(local / METADATA_FILE)))
    return Content(bytes=sum(sizes), files=len(sizes))


def _sizes(folder: str, *, skip: str) -> Iterator[int]:
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            yield from _sizes(entry.path, skip=skip)
        elif entry.path != skip:
            yield from _size(entry)


# A checkpoint folder is alive while it is measured: training writes the next step beside this one
# and prunes older ones. What is gone by now does not count.


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _size(entry: os.DirEntry[str]) -> list[int]:
    try:
        return [entry.stat(follow_symlinks=False).st_size]
    except FileNotFoundError:
        return []
