"""Choose the file operations for a root."""

from __future__ import annotations

from pathlib import Path

from nemo_runspec.artifacts.paths import expand_home, local_path
from nemo_runspec.errors import StoreError
from nemo_runspec.manifest_tracker.files.base import StoreFiles
from nemo_runspec.manifest_tracker.files.local import LocalFiles

_MEMORY_SCHEME = "memory://"


def open_files(root: str | Path, *, single_writer: bool = False) -> StoreFiles:  # noqa: ARG001
    """Open the storage under a root: a local path, ``file://…`` or ``memory://…``.

    Args:
        root: The artifact root.
        single_writer: Accept a storage that ignores create-only writes.

    Raises:
        StoreError: The root is empty or its scheme is not supported.
    """
    text = str(root)
    if not text.strip():
        raise StoreError(
            "The artifact root is empty.",
            where="artifacts.manifest.root",
            hint="Give a folder, or null to turn manifests off.",
        )
    if text.startswith(_MEMORY_SCHEME):
        # fsspec takes longer to import than a local store takes to answer.
        from nemo_runspec.manifest_tracker.files.memory import MemoryFiles

        return MemoryFiles(text)
    local = local_path(text)
    if local is None:
        scheme = text.partition("://")[0]
        raise StoreError(
            f"Manifests cannot be kept on {scheme}:// storage in this release.",
            where=text,
            hint="Use a local or shared folder, or memory:// for tests.",
        )
    return LocalFiles(expand_home(local).absolute())
