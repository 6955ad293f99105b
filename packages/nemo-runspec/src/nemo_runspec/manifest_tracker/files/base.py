"""What a storage must offer to hold manifests."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nemo_runspec.errors import StoreError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoreReport:
    """What a storage was found to do.

    Attributes:
        publishing: How a version is published: ``link``, ``rename``, ``lock``, ``conditional
            write`` or ``commit``.
        create_only: Whether a second writer of the same version is refused.
        leftovers: Full paths or URLs of what writers that died left behind.
    """

    publishing: str
    create_only: bool
    leftovers: list[str] = field(default_factory=list)


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

    def presumes(self, path: str) -> bool:
        """Whether a file that a hint or listing tells of exists, as far as is known for free.

        Storage on which every look costs a request over the network takes their word.
        """
        ...

    def publish(self, path: str, data: bytes, companions: Mapping[str, bytes]) -> bool:
        """Publish a whole file, durably, unless it exists; then put others in place.

        Args:
            path: The file; it must be the only create-only file of its folder.
            data: Its content.
            companions: Files that can be made again from the published one, by path. Whatever
                is there is replaced; a failure is logged and costs nothing.

        Returns:
            False where the file existed already; then nothing is changed.

        Raises:
            UnknownOutcomeError: The reply was lost: the file may have been published or not.
        """
        ...

    def replace(self, path: str, data: bytes) -> None:
        """Put a whole file in place of whatever is there."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; one that does not exist is none the worse."""
        ...

    def folders(self, path: str) -> list[str]:
        """The names of the folders below a path, dot-named ones left out, unsorted."""
        ...

    def names(self, path: str) -> list[str]:
        """The names of the files in a folder, dot-named ones left out, unsorted."""
        ...

    def examine(self) -> StoreReport:
        """Try out, with files of our own, what the storage honours, and look for leftovers."""
        ...


class _Replaces(Protocol):
    def replace(self, path: str, data: bytes) -> None: ...


class _Creates(_Replaces, Protocol):
    def create(self, path: str, data: bytes) -> bool: ...


def publish_in_order(
    files: _Creates, path: str, data: bytes, companions: Mapping[str, bytes]
) -> bool:
    """Publish where every file is written on its own: the create-only one first.

    Args:
        files: Storage with a create-only ``create``.
        path: As for :meth:`StoreFiles.publish`.
        data: As for :meth:`StoreFiles.publish`.
        companions: As for :meth:`StoreFiles.publish`.
    """
    if not files.create(path, data):
        return False
    replace_all(files, companions)
    return True


def replace_all(files: _Replaces, companions: Mapping[str, bytes]) -> None:
    """Put files in place that are worth having but can be made again."""
    for companion, content in companions.items():
        try:
            files.replace(companion, content)
        except StoreError as error:
            logger.warning("The version is recorded, but its %s is not: %s", companion, error)
