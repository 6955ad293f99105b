"""Manifests in this process's memory, for tests and trials."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import fsspec

from nemo_runspec.manifest_tracker.files.base import StoreReport, publish_in_order

_access = threading.Lock()


class MemoryFiles:
    """File operations on fsspec's ``memory://`` filesystem.

    Its open files share one position, and its existence check is apart from its write, so all
    access from threads goes through one lock.

    Args:
        root: A ``memory://`` URL.
    """

    def __init__(self, root: str) -> None:
        self._root = root.rstrip("/")
        self._filesystem: Any = fsspec.filesystem("memory")
        self._base = self._filesystem._strip_protocol(self._root)  # noqa: SLF001 - fsspec's own API

    @property
    def root(self) -> str:
        """The root as it was given."""
        return self._root

    def locate(self, path: str) -> str:
        """The full URL of a file."""
        return f"{self._root}/{path}"

    def read(self, path: str) -> bytes | None:
        """The file's content, or None where it does not exist."""
        with _access:
            try:
                return bytes(self._filesystem.cat_file(self._full(path)))
            except FileNotFoundError:
                return None

    def exists(self, path: str) -> bool:
        """Whether the file exists."""
        with _access:
            return bool(self._filesystem.isfile(self._full(path)))

    def presumes(self, path: str) -> bool:
        """Whether the file exists: looking costs nothing here."""
        return self.exists(path)

    def publish(self, path: str, data: bytes, companions: Mapping[str, bytes]) -> bool:
        """Publish a whole file unless it exists; then put others in place."""
        return publish_in_order(self, path, data, companions)

    def create(self, path: str, data: bytes) -> bool:
        """Publish a whole file unless it exists."""
        with _access:
            # Not mode="create", which older releases of fsspec accept and ignore.
            if self._filesystem.isfile(self._full(path)):
                return False
            self._filesystem.pipe_file(self._full(path), data)
        return True

    def replace(self, path: str, data: bytes) -> None:
        """Put a whole file in place of whatever is there."""
        with _access:
            self._filesystem.pipe_file(self._full(path), data)

    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""
        with _access:
            self._filesystem.store.pop(self._full(path), None)

    def examine(self) -> StoreReport:
        """All access goes through one lock; nothing is left behind."""
        return StoreReport("lock", create_only=True)

    def folders(self, path: str) -> list[str]:
        """The names of the folders below a path."""
        return self._children(path, "directory")

    def names(self, path: str) -> list[str]:
        """The names of the files in a folder."""
        return self._children(path, "file")

    def _children(self, path: str, kind: str) -> list[str]:
        with _access:
            try:
                entries = self._filesystem.ls(self._full(path), detail=True)
            except FileNotFoundError:
                return []
        names = [
            str(entry["name"]).rpartition("/")[2] for entry in entries if entry["type"] == kind
        ]
        return [name for name in names if not name.startswith(".")]

    def _full(self, path: str) -> str:
        return f"{self._base}/{path}" if path else str(self._base)
