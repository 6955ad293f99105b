"""What a storage must offer to hold manifests."""

from __future__ import annotations

from typing import Protocol


class StoreFiles(Protocol):
    """Whole-file operations under one root. Paths are relative to it, with ``/``.

    Every method raises :class:`~nemo_runspec.errors.StoreError` when the storage refuses.
    """

    @property
    def root(self) -> str:
        """The root as the user gave it, made absolute where it is local."""
        ...

    def locate(self, path: str) -> str:
        """The full path or URL of a file, for people and messages."""
        ...

    def read(self, path: str) -> bytes | None:
        """The file's content, or None where it does not exist."""
        ...

    def exists(self, path: str) -> bool:
        """Whether the file exists."""
        ...

    def create(self, path: str, data: bytes) -> bool:
        """Publish a whole file, durably, unless it exists.

        The file must be the only create-only file of its folder.

        Returns:
            False where it existed already; then nothing is changed.
        """
        ...

    def replace(self, path: str, data: bytes) -> None:
        """Put a whole file in place of whatever is there."""
        ...

    def folders(self, path: str) -> list[str]:
        """The names of the folders below a path, dot-named ones left out, unsorted."""
        ...

    def names(self, path: str) -> list[str]:
        """The names of the files in a folder, dot-named ones left out, unsorted."""
        ...
