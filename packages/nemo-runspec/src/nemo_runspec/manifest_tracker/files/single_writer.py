"""Object stores that ignore create-only writes, for the one writer that they have."""

from __future__ import annotations

import logging

from nemo_runspec.manifest_tracker.files.objects import ObjectFiles

logger = logging.getLogger(__name__)


class SingleWriterFiles(ObjectFiles):
    """File operations for a root to which the user says that nothing else writes.

    A store that honours create-only writes is used as ever. On any other, a file is published
    by looking whether it exists and then writing it.
    """

    _warned = False

    def create(self, path: str, data: bytes) -> bool:
        """Publish a whole file unless it exists.

        Raises:
            StoreError: The store refused.
            UnknownOutcomeError: The reply was lost.
        """
        if self.is_create_only():
            return super().create(path, data)
        self._warn()
        if self.exists(path):
            return False
        self.replace(path, data)
        return True

    def _warn(self) -> None:
        if self._warned:
            return
        self._warned = True
        logger.warning(
            "%s ignores create-only writes and artifacts.manifest.single_writer is true: should "
            "a second writer log the same name at the same time, one of the two versions is "
            "overwritten and lost without an error.",
            self.root,
        )
