"""One tracking: its backends, what was resolved under it, and what it records."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.composite import CompositeTracker
from nemo_runspec.artifacts.inputs import TrackedInputs
from nemo_runspec.artifacts.ledger import CheckpointLedger
from nemo_runspec.artifacts.local import resolve_path, resolve_untracked
from nemo_runspec.artifacts.paths import same_place
from nemo_runspec.artifacts.recording import find_recorded, lineage_of
from nemo_runspec.artifacts.reference import (
    ArtifactReference,
    is_explicit_reference,
    looks_like_path,
)
from nemo_runspec.artifacts.scope import CURRENT
from nemo_runspec.artifacts.settings import TrackingSettings
from nemo_runspec.artifacts.shared import SharedInputs, SharedTracking, announce, step_back
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact, ResolvedArtifact, Tracker
from nemo_runspec.distributed import Rank
from nemo_runspec.errors import ArtifactError, ArtifactWithdrawnError, NemotronError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.provenance import collect_host, collect_script

logger = logging.getLogger(__name__)


class ArtifactTrackingResult:
    """An active tracking.

    Args:
        settings: The backends it has.
        manifest_tracker: The manifest backend, where it is on.
        wandb_tracker: The W&B backend, where it is on.
        output_name: The name that the running recipe records its output under.
        aliases: Aliases that move to each version it records.
        provenance: Code and configuration of the run; None to look them up when first needed.

    Attributes:
        qualified_names: Full names of the artifacts that the configuration refers to.
        topic: What tells it from the other trackings of its job.
        checkpoints: The checkpoints that this process recorded in it.
    """

    def __init__(
        self,
        settings: TrackingSettings,
        *,
        manifest_tracker: ManifestTracker | None = None,
        wandb_tracker: Tracker | None = None,
        output_name: str | None = None,
        aliases: Sequence[str] = (),
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings = settings
        self.manifest_tracker = manifest_tracker
        self.wandb_tracker = wandb_tracker
        self.output_name = output_name
        self.aliases = tuple(aliases)
        self.qualified_names: list[str] = []
        self.topic = ""
        self.checkpoints = CheckpointLedger()
        self._backend = _composed(manifest_tracker, wandb_tracker)
        self._provenance = None if provenance is None else dict(provenance)
        self._inputs = TrackedInputs()
        self._job_folder: Path | None = None
        self._shared_as = ""
        self._lock = threading.RLock()
        self._outer: ArtifactTrackingResult | None = None

    @property
    def manifest(self) -> bool:
        """Whether the manifest backend is active."""
        return self.manifest_tracker is not None

    @property
    def wandb(self) -> bool:
        """Whether the W&B backend is active."""
        return self.wandb_tracker is not None

    @property
    def missing_manifest(self) -> str | None:
        """Why no manifests are written; None where they are."""
        return None if self.manifest else "off: artifacts.manifest.root is not set"

    @property
    def inputs(self) -> list[str]:
        """Everything resolved so far: pinned references, and paths that have none."""
        with self._lock:
            return self._inputs.own()

    @property
    def provenance(self) -> dict[str, Any]:
        """Code and configuration of the run."""
        if self._provenance is None:
            self._provenance = collect_script()
        return self._provenance

    def __enter__(self) -> Self:
        if CURRENT.get() is not self:
            self.make_current()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        CURRENT.set(self._outer)
        if self._job_folder is not None and Rank.from_environment().rank == 0:
            outer = None if self._outer is None else self._outer.described()
            step_back(self._job_folder, self._shared_as, outer)

    def make_current(self) -> None:
        """Make this the process's current tracking, and the one that its job's others join."""
        self._outer = CURRENT.set(self)
        if self._job_folder is not None and Rank.from_environment().rank == 0:
            announce(self._job_folder, self.described())

    def share(self, job_folder: Path, name: str) -> None:
        """Have the inputs in common with the other processes of the job.

        Args:
            job_folder: The folder that they share.
            name: What this tracking is called there, by every process.
        """
        self._job_folder, self._shared_as = job_folder, name
        self._inputs.share(SharedInputs(job_folder / name))

    def described(self) -> SharedTracking:
        """This tracking, for processes that join it."""
        return SharedTracking(
            settings=asdict(self.settings),
            output_name=self.output_name,
            provenance=self.provenance,
            qualified_names=list(self.qualified_names),
            folder=self._shared_as,
            aliases=list(self.aliases),
        )

    def resolve(self, text: str) -> ResolvedArtifact:
        """Find what a reference or path means, and note it as an input.

        Within a tracking a reference keeps its first meaning, in every process of the job:
        ``latest`` does not move.

        Args:
            text: A reference, a path or a URI.

        Raises:
            ArtifactNotFoundError: It means nothing.
            ArtifactError: It is a name, and tracking is off.
        """
        key, inside = self.split(text)
        with self._lock:
            found = self._inputs.find(key)
            if found is None:
                found = self._settle(key, self._look_up(key))
            return found.at(inside)

    def split(self, text: str) -> tuple[str, str]:
        """Tell what is resolved from the path inside it.

        Args:
            text: A reference, a path or a URI.

        Returns:
            One spelling of the reference, or the path as it is; and the path inside the
            artifact, or nothing.

        Raises:
            InvalidReferenceError: The text is none of them.
        """
        if self._backend is None or looks_like_path(text):
            return text, ""
        reference = ArtifactReference.parse(text)
        return str(reference.whole), reference.inside

    def adopt(self, key: str, resolved: ResolvedArtifact) -> None:
        """Take over a resolution that this or another rank made, as an input.

        Args:
            key: A reference without the path inside it, or a path.
            resolved: What it means.
        """
        with self._lock:
            self._settle(key, resolved)

    def note_input(self, resolved: ResolvedArtifact) -> None:
        """Make something that was loaded an input of whatever is recorded here."""
        ref = resolved.ref or self._ref_of_place(resolved)
        with self._lock:
            if ref is None:
                self._inputs.note_place(resolved.path)
            else:
                self._inputs.note_reference(ref)

    def has_resolved(self, text: str) -> bool:
        """Whether this very reference was resolved here before."""
        with self._lock:
            return self._inputs.has(self.split(text)[0])

    def forget_resolutions(self) -> None:
        """Look references up again from now on; what was resolved stays an input."""
        with self._lock:
            self._inputs.forget()

    def lineage_of(self, artifact: Artifact) -> Lineage:
        """Gather what an artifact that is recorded now was made from."""
        with self._lock:
            inputs = self._inputs.all()
        return lineage_of(artifact, inputs, self._pin, {**self.provenance, **collect_host()})

    def record(
        self, artifact: Artifact, name: str, lineage: Lineage | None = None
    ) -> LoggedArtifact:
        """Record an artifact in every backend, see :mod:`nemo_runspec.artifacts.composite`.

        Args:
            artifact: What to record.
            name: The name to record it under.
            lineage: What it was made from, where that was gathered already.

        Raises:
            NemotronError: The reliable backend could not.
        """
        if self._backend is None:
            return LoggedArtifact(name)
        known = self.lineage_of(artifact) if lineage is None else lineage
        artifact.want_aliases(self.aliases)
        return self._backend.log(artifact, name=name, lineage=known)

    def find_recorded(
        self, artifact: Artifact, name: str, lineage: Lineage | None = None
    ) -> LoggedArtifact | None:
        """The latest version of a name, if it records this very artifact."""
        if self.manifest_tracker is None:
            return None
        known = self.lineage_of(artifact) if lineage is None else lineage
        return find_recorded(self.manifest_tracker, artifact, name, known)

    def move_aliases(self, logged: LoggedArtifact) -> None:
        """Let the job's aliases mean a version of the manifest store that was recorded before."""
        if self.manifest_tracker is not None and logged.version is not None:
            self.manifest_tracker.move_aliases(logged.name, logged.version, self.aliases)

    def _settle(self, key: str, meant: ResolvedArtifact) -> ResolvedArtifact:
        if meant.ref is not None:
            return self._inputs.settle(key, meant.ref, meant)
        self._inputs.remember(key, meant)
        self.note_input(meant)
        return meant

    def _look_up(self, text: str) -> ResolvedArtifact:
        if looks_like_path(text):
            return resolve_path(text)
        if self._backend is None:
            return resolve_untracked(text)
        reference = ArtifactReference.parse(text)
        if reference.owner is not None:
            return self._look_up_in_wandb(reference)
        return self._backend.resolve(reference)

    def _ref_of_place(self, resolved: ResolvedArtifact) -> str | None:
        """The version that lies at a path: what its metadata says, where the store agrees."""
        name, version = resolved.document.get("name"), resolved.document.get("version")
        if self.manifest_tracker is None or not name or version is None:
            return None
        try:
            # A withdrawn version is an input all the same.
            recorded = self.manifest_tracker.find(f"{name}:v{version}")
        except NemotronError as error:
            logger.debug("%s is an input by its path: %s", resolved.path, error)
            return None
        return recorded.ref if same_place(recorded.path, resolved.path) else None

    def _look_up_in_wandb(self, reference: ArtifactReference) -> ResolvedArtifact:
        if self.wandb_tracker is None:
            raise ArtifactError(
                f"{reference} is a W&B artifact, and artifacts.wandb is off.",
                hint="Set artifacts.wandb=true, or use a name from the manifest store.",
            )
        return self.wandb_tracker.resolve(reference)

    def _pin(self, uri: str) -> str | None:
        if not is_explicit_reference(uri):
            return None
        key, _ = self.split(uri)
        with self._lock:
            found = self._inputs.find(key)
        try:
            return (found or self._look_up(key)).ref
        except ArtifactWithdrawnError:
            return key
        except ArtifactError as error:
            logger.warning("The input %s is recorded as it is written: %s", uri, error)
            return None


def _composed(manifests: Tracker | None, wandb: Tracker | None) -> Tracker | None:
    active = [tracker for tracker in (manifests, wandb) if tracker is not None]
    return CompositeTracker(active[0], active[1:]) if active else None
