"""Several backends as one, with a written policy for the failures of each.

- The **reliable** backend records first. Where it fails, nothing was recorded, and the caller gets
  its error.
- A **best-effort** backend records after it, and gets the artifact with the name and version that
  the reliable one gave. Where it fails, that is logged with its traceback, and the caller gets the
  reliable one's receipt all the same: an outage of a service costs no run.
- A backend that is alone is the reliable one, whichever it is.
- The reliable backend resolves, and the first of the others that can says under which name it
  knows the version. Names that the reliable one lacks are looked up in the others, in their order,
  and are referred to by their full names.

What framework hooks do goes one step further, see :mod:`nemo_runspec.events`: there no failure at
all reaches the training loop.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.tracker import (
    Lineage,
    LinkingTracker,
    LoggedArtifact,
    ResolvedArtifact,
    Tracker,
)
from nemo_runspec.errors import ArtifactNotFoundError, NemotronError

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
            ArtifactNotFoundError: No backend has it; the reliable one's message is given, and what
                the others said.
        """
        try:
            return self._linked(self._reliable.resolve(reference))
        except ArtifactNotFoundError as missing:
            found, said = self._elsewhere(reference)
            if found is None:
                raise _with_more(missing, said) from None
            return found

    def _linked(self, found: ResolvedArtifact) -> ResolvedArtifact:
        linking = (one for one in self._best_effort if isinstance(one, LinkingTracker))
        tracker = next(linking, None)
        if tracker is None or found.ref is None:
            return found
        return replace(found, qualified_name=tracker.edge_name(found.ref))

    def _elsewhere(self, reference: ArtifactReference) -> tuple[ResolvedArtifact | None, list[str]]:
        said: list[str] = []
        for tracker in self._best_effort:
            try:
                return _owned(tracker.resolve(reference)), said
            except Exception as error:  # an outage must not hide that the name is unknown
                logger.info(
                    "%s is not found in %s: %s", reference, tracker.backend, error, exc_info=True
                )
                said.append(f"{tracker.backend}: {_sentence(error)}")
        return None, said


def _owned(found: ResolvedArtifact) -> ResolvedArtifact:
    """Refer to what the reliable backend lacks by its full name: the other numbers are not its."""
    if found.qualified_name is None:
        return found
    return replace(found, owner=ArtifactReference.parse(found.qualified_name).owner)


def _with_more(missing: ArtifactNotFoundError, said: Sequence[str]) -> ArtifactNotFoundError:
    hint = " ".join(part for part in (missing.hint, *said) if part)
    return type(missing)(missing.what, where=missing.where, hint=hint or None)


def _sentence(error: Exception) -> str:
    text = error.what if isinstance(error, NemotronError) else str(error).partition("\n")[0]
    return f"{text.rstrip('.')}."
