"""Manifests in a repository on the Hugging Face Hub.

A version is one commit: its manifest, its metadata and the hint together. The commit names the
head of the branch at which the manifest was looked for and not found; where anybody else committed
since, the Hub refuses it and the writer looks again. So of two writers of one version one wins.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping

from nemo_runspec.errors import StoreError, UnknownOutcomeError
from nemo_runspec.manifest_tracker.files.base import StoreReport
from nemo_runspec.manifest_tracker.files.hub_address import parse_hub_root
from nemo_runspec.manifest_tracker.files.hub_client import Change, HubClient
from nemo_runspec.manifest_tracker.files.hub_patience import Patience

logger = logging.getLogger(__name__)

_CONTROL = ".nemotron"
_PROBE = "probe-"
_LOST_REPLIES = 3


class HubFiles:
    """File operations in a repository on the Hugging Face Hub.

    Args:
        root: ``hf://org/repo[@branch][/folder]``, or ``hf://datasets/org/repo…``.
        patience: How long operations go on against a Hub that is slow, busy or contended.

    Raises:
        StoreError: The root names no repository.
    """

    def __init__(self, root: str, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._address = parse_hub_root(root)
        self._client = HubClient(self._address, self._patience)

    @property
    def root(self) -> str:
        """The root as it was given."""
        return self._address.root

    def locate(self, path: str) -> str:
        """The full URL of a file."""
        return self._address.locate(path)

    def read(self, path: str) -> bytes | None:
        """The file's content, or None where it does not exist: one request."""
        return self._client.read(path)

    def exists(self, path: str) -> bool:
        """Whether the file exists: one request."""
        return self._client.read(path) is not None

    def presumes(self, path: str) -> bool:  # noqa: ARG002 - the protocol's
        """A hint is believed: looking costs a request."""
        return True

    def publish(self, path: str, data: bytes, companions: Mapping[str, bytes]) -> bool:
        """Publish a file and its companions in one commit, unless the file exists.

        Two requests where nobody else commits.
        """

        def plan() -> Change | None:
            seen = self._client.look(path)
            if seen.content is not None:
                return None
            return Change(f"Add {path}", {path: data, **companions}, parent=seen.head)

        return self._commit(plan, path)

    def replace(self, path: str, data: bytes) -> None:
        """Commit a file's content; nothing is committed where it is that already."""

        def plan() -> Change | None:
            if self._client.read(path) == data:
                return None
            return Change(f"Set {path}", {path: data})

        self._settle(plan, path)

    def remove(self, path: str) -> None:
        """Commit a file's removal, if it exists."""

        def plan() -> Change | None:
            if not self.exists(path):
                return None
            return Change(f"Remove {path}", removed=(path,))

        self._settle(plan, path)

    def folders(self, path: str) -> list[str]:
        """The names of the folders below a path: a request per thousand entries."""
        return self._children(path, "directory")

    def names(self, path: str) -> list[str]:
        """The names of the files in a folder: a request per thousand entries."""
        return self._children(path, "file")

    def examine(self) -> StoreReport:
        """Try out, with two commits, whether the Hub refuses one that others overtook."""
        probe = f"{_CONTROL}/{_PROBE}{uuid.uuid4().hex}"
        before = self._client.look(probe).head
        self.replace(probe, b"probe")
        try:
            late = Change(f"Remove {probe}", removed=(probe,), parent=before)
            refused = not self._client.commit(late, probe)
        finally:
            self.remove(probe)
        return StoreReport("commit", create_only=refused, leftovers=self._leftovers())

    def _leftovers(self) -> list[str]:
        names = sorted(self._client.entries(_CONTROL))
        return [self.locate(f"{_CONTROL}/{name}") for _, name in names if name.startswith(_PROBE)]

    def _children(self, path: str, kind: str) -> list[str]:
        found = self._client.entries(path)
        return [name for entry, name in found if entry == kind and not name.startswith(".")]

    def _commit(self, plan: Callable[[], Change | None], path: str) -> bool:
        """Commit what a plan wants, planning anew after every commit that came first.

        Returns:
            False where the plan wants nothing.
        """
        pauses = self._patience.between_conflicts()
        while (change := plan()) is not None:
            if self._client.commit(change, path):
                return True
            if not pauses.wait():
                raise StoreError(
                    f"Others committed to the repository {self._patience.conflicts} times in "
                    "the time that one commit takes.",
                    where=self.locate(path),
                    hint="Try again later, or give each team a repository of its own.",
                )
        return False

    def _settle(self, plan: Callable[[], Change | None], path: str) -> None:
        """Commit what may be committed twice, until it is known to be there."""
        for _ in range(_LOST_REPLIES - 1):
            try:
                self._commit(plan, path)
            except UnknownOutcomeError as error:
                logger.warning("It is not known whether %s was changed: %s", path, error)
            else:
                return
        self._commit(plan, path)
