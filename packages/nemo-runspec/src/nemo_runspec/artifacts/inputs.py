"""What was resolved and loaded under one tracking: the first meaning of each reference."""

from __future__ import annotations

from nemo_runspec.artifacts.revisions import revision_of
from nemo_runspec.artifacts.shared import SharedInputs, TrackedInput
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.distributed import Rank


class TrackedInputs:
    """The inputs of a tracking, in the order in which they were found."""

    def __init__(self) -> None:
        self._resolved: dict[str, ResolvedArtifact] = {}
        self._inputs: dict[str, str | None] = {}
        self._shared: SharedInputs | None = None
        self._times_forgotten = 0

    def share(self, shared: SharedInputs) -> None:
        """Have the inputs in common with the other processes of the job from now on."""
        self._shared = shared

    def has(self, key: str) -> bool:
        """Whether this very key was resolved here before."""
        return key in self._resolved

    def find(self, key: str) -> ResolvedArtifact | None:
        """What a key meant to whichever process of the job resolved it first."""
        if key not in self._resolved and self._shared is not None:
            published = self._shared.find(self._shared_key(key))
            if published is not None and published.resolved is not None:
                self._resolved[key] = published.resolved
                self._inputs[published.text] = None
        return self._resolved.get(key)

    def settle(self, key: str, ref: str, meant: ResolvedArtifact) -> ResolvedArtifact:
        """Keep what a reference means, and note it.

        Args:
            key: The reference, without the path inside it.
            ref: The pinned reference.
            meant: What it means to this process.

        Returns:
            What it means to the whole job: another process may have settled it before.
        """
        if self._shared is not None:
            mine = TrackedInput(ref, resolved=meant)
            theirs = self._shared.publish(self._shared_key(key), mine)
            ref, meant = theirs.text, theirs.resolved or meant
        self._resolved[key] = meant
        self._inputs[ref] = None
        return meant

    def remember(self, key: str, meant: ResolvedArtifact) -> None:
        """Keep what a path means to this process."""
        self._resolved[key] = meant

    def note_reference(self, ref: str) -> None:
        """Note an artifact that was reached by its path."""
        self._note(TrackedInput(ref))

    def note_place(self, uri: str) -> None:
        """Note raw data, with the revision that it has now.

        Ranks above 0 leave looking it up to rank 0, which reads the same.
        """
        if uri in self._inputs:
            return
        found = None if self._shared is None else self._shared.find(_input_key(uri))
        if found is not None:
            self._inputs[uri] = found.revision
        elif Rank.from_environment().rank == 0:
            self._note(TrackedInput(uri, revision_of(uri)))
        else:
            self._inputs[uri] = None

    def forget(self) -> None:
        """Look references up again from now on; what was resolved stays an input."""
        self._resolved.clear()
        self._times_forgotten += 1

    def own(self) -> list[str]:
        """What this process found."""
        return list(self._inputs)

    def all(self) -> dict[str, str | None]:
        """Every input of the job's processes with its revision, this one's own first."""
        found = dict(self._inputs)
        for entry in [] if self._shared is None else self._shared.all():
            if found.get(entry.text) is None:
                found[entry.text] = entry.revision
        return found

    def _note(self, found: TrackedInput) -> None:
        if self._shared is not None:
            found = self._shared.publish(_input_key(found.text), found)
        self._inputs.setdefault(found.text, found.revision)

    def _shared_key(self, key: str) -> str:
        return f"reference {self._times_forgotten} {key}"


def _input_key(text: str) -> str:
    return f"input {text}"
