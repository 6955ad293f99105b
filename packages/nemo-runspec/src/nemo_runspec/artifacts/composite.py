"""Several backends as one, with a written policy for the failures of each.

- The **reliable** backend records first. Where it fails, nothing was recorded, and the caller gets
  its error.
- A **best-effort** backend records after it, and gets the artifact with the name and version that
  the reliable one gave. Where it fails, that is logged with its traceback, and the caller gets the
  reliable one's receipt all the same: an outage of a service costs no run.
- A backend that is alone is the reliable one, whichever it is.
- The reliable backend resolves. Names that it lacks are looked up in the others, in their order.

What framework hooks do goes one step further, see :mod:`nemo_runspec.events`: there no failure at
all reaches the training loop.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact, ResolvedArtifact, Tracker
from nemo_runspec.errors import ArtifactNotFoundError

logger = logging.getLogger(__name__)


class CompositeTracker:
    """A tracker that passes everything to several.

    Args:
        reliable: The backend whose failure is the caller's.
        best_effort: Backends whose failures are logged.
    """

    backend = "composite"

    def __init__(self, reliable: Tracker, best_effort: Sequence[Tracker] = ()) -> None:
        self._reliable = reliable
        self._best_effort = tuple(best_effort)

    def log(self, artifact: Artifact, *, name: str, lineage: Lineage) -> LoggedArtifact:
        """Record a new version of an artifact in every backend.

        Raises:
            NemotronError: The reliable backend could not; the others were not asked.
        """
        logged = self._reliable.log(artifact, name=name, lineage=lineage)
        known = artifact.model_copy(update={"name": logged.name, "version": logged.version})
        for tracker in self._best_effort:
            try:
                tracker.log(known, name=name, lineage=lineage)
            except Exception:  # whatever a service raises, the version is recorded
                logger.exception("%s is not recorded in %s.", logged.ref, tracker.backend)
        return logged

    def resolve(self, reference: ArtifactReference) -> ResolvedArtifact:
        """Find the version that a reference means.

        Raises:
            ArtifactNotFoundError: No backend has it; the reliable one's message is given.
        """
        try:
            return self._reliable.resolve(reference)
        except ArtifactNotFoundError as missing:
            found = self._elsewhere(reference)
            if found is None:
                raise missing from None
            return found

    def _elsewhere(self, reference: ArtifactReference) -> ResolvedArtifact | None:
        for tracker in self._best_effort:
            try:
                return tracker.resolve(reference)
            except Exception as error:  # an outage must not hide that the name is unknown
                logger.info(
                    "%s is not found in %s: %s", reference, tracker.backend, error, exc_info=True
                )
        return None
