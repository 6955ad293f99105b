"""Choose the file operations for a root.

Each storage is imported when it is used: fsspec alone takes longer to import than a local store
takes to answer.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from nemo_runspec.artifacts.paths import expand_home, local_path
from nemo_runspec.errors import MissingDependencyError, StoreError
from nemo_runspec.manifest_tracker.files.base import StoreFiles
from nemo_runspec.manifest_tracker.files.local import LocalFiles


class _Opener(Protocol):
    def __call__(self, root: str, *, single_writer: bool) -> StoreFiles: ...


def open_files(root: str | Path, *, single_writer: bool = False) -> StoreFiles:
    """Open the storage under a root: a local path, or a URL.

    Nothing is asked of remote storage yet.

    Args:
        root: The artifact root.
        single_writer: Accept a storage that ignores create-only writes.

    Raises:
        StoreError: The root is empty or its scheme is not supported.
        MissingDependencyError: The package for this storage is not installed.
    """
    text = str(root)
    if not text.strip():
        raise StoreError(
            "The artifact root is empty.",
            where="artifacts.manifest.root",
            hint="Give a folder, or null to turn manifests off.",
        )
    local = local_path(text)
    if local is not None:
        return LocalFiles(expand_home(local).absolute())
    scheme = text.partition("://")[0]
    opener = _OPENERS.get(scheme)
    if opener is None:
        raise StoreError(
            f"Manifests cannot be kept on {scheme}:// storage.",
            where=text,
            hint=f"Use a local or shared folder, or one of {', '.join(_OPENERS)}.",
        )
    return opener(text, single_writer=single_writer)


def _memory(root: str, *, single_writer: bool) -> StoreFiles:  # noqa: ARG001
    from nemo_runspec.manifest_tracker.files.memory import MemoryFiles

    return MemoryFiles(root)


def _s3(root: str, *, single_writer: bool) -> StoreFiles:
    _require("s3fs", extra="s3", root=root)
    from nemo_runspec.manifest_tracker.files.objects import ObjectFiles
    from nemo_runspec.manifest_tracker.files.s3 import S3
    from nemo_runspec.manifest_tracker.files.single_writer import SingleWriterFiles

    return (SingleWriterFiles if single_writer else ObjectFiles)(root, S3())


def _gcs(root: str, *, single_writer: bool) -> StoreFiles:
    _require("gcsfs", extra="gcs", root=root)
    from nemo_runspec.manifest_tracker.files.gcs import GCS
    from nemo_runspec.manifest_tracker.files.objects import ObjectFiles
    from nemo_runspec.manifest_tracker.files.single_writer import SingleWriterFiles

    return (SingleWriterFiles if single_writer else ObjectFiles)(root, GCS())


def _hub(root: str, *, single_writer: bool) -> StoreFiles:  # noqa: ARG001
    _require("huggingface_hub", extra="hf", root=root)
    from nemo_runspec.manifest_tracker.files.hub import HubFiles

    return HubFiles(root)


def _require(package: str, *, extra: str, root: str) -> None:
    if importlib.util.find_spec(package) is None:
        scheme = root.partition("://")[0]
        raise MissingDependencyError(
            f"Artifacts on {scheme}:// need the package {package}.",
            where=root,
            hint=f"Install it with: pip install 'nemo-runspec[{extra}]'",
        )


_OPENERS: Mapping[str, _Opener] = {
    "memory": _memory,
    "s3": _s3,
    "s3a": _s3,
    "gs": _gcs,
    "gcs": _gcs,
    "hf": _hub,
}
