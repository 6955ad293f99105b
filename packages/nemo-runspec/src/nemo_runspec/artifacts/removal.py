"""Versions of checkpoints that a framework deletes: they stay recorded, and nobody is led there."""

from __future__ import annotations

import logging
import threading

from nemo_runspec.artifacts.tracker import OWN_DIRECTORY
from nemo_runspec.errors import ManifestFormatError, NemotronError
from nemo_runspec.manifest_tracker import ManifestTracker

logger = logging.getLogger(__name__)


class RemovedCheckpoints:
    """Withdraws the versions of one name whose own directory was deleted.

    Versions that earlier jobs recorded of the same directory are withdrawn with it.

    Args:
        tracker: The store.
        name: The name that the checkpoints are recorded under.
    """

    def __init__(self, tracker: ManifestTracker, name: str) -> None:
        self._tracker = tracker
        self._name = name
        self._versions: dict[str, list[int]] = {}
        self._read: set[int] = set()
        self._lock = threading.Lock()

    def withdraw(self, place: str, *, reason: str) -> list[str]:
        """Take every version of a directory out of use.

        A version that an alias means stays in use, since somebody chose it by hand: that is
        warned about.

        Args:
            place: The directory as the host sees it.
            reason: Why it is gone.

        Returns:
            The references that were withdrawn.

        Raises:
            StoreError: The store cannot be read.
        """
        with self._lock:
            return [
                f"{self._name}:v{version}"
                for version in self._versions_at(place)
                if self._withdraw(version, reason)
            ]

    def _versions_at(self, place: str) -> list[int]:
        for version in self._tracker.versions(self._name):
            if version not in self._read:
                self._note(version)
        return self._versions.get(place, [])

    def _note(self, version: int) -> None:
        self._read.add(version)
        try:
            own = self._tracker.read(self._name, version).metadata.get(OWN_DIRECTORY)
        except ManifestFormatError as error:
            logger.warning("Whether its data is gone is not known: %s", error)
            return
        except NemotronError:
            self._read.discard(version)
            raise
        if isinstance(own, str):
            self._versions.setdefault(own, []).append(version)

    def _withdraw(self, version: int, reason: str) -> bool:
        if self._tracker.withdrawal(self._name, version) is not None:
            return False
        try:
            self._tracker.withdraw(self._name, version, reason=reason)
        except NemotronError as error:
            logger.warning("The data of %s:v%d is gone: %s", self._name, version, error)
            return False
        return True
