"""One tracking: its backends, what was resolved under it, and what it records."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts.backends import open_tracker
from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.local import resolve_path
from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.reference import (
    ArtifactReference,
    is_explicit_reference,
    looks_like_path,
)
from nemo_runspec.artifacts.scope import CURRENT
from nemo_runspec.artifacts.settings import TrackingSettings
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact, ResolvedArtifact, Tracker
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError, NemotronError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.tracker import recorded_metadata, recorded_path
from nemo_runspec.provenance import collect_host, collect_provenance
from nemo_runspec.redaction import redact_values

logger = logging.getLogger(__name__)

_ENABLE_TRACKING = (
    "Turn tracking on with artifacts.manifest.root=FOLDER (or [artifacts.manifest] root in "
    "env.toml), or give a path instead of a name."
)


class ArtifactTrackingResult:
    """An active tracking.

    Args:
        settings: The backends it has.
        manifest_tracker: The manifest backend, where it is on.
        wandb_tracker: The W&B backend, where it is on.
        output_name: The name that the running recipe records its output under.
        provenance: Code and configuration of the run; None to look them up when first needed.

    Attributes:
        qualified_names: Full names of the artifacts that the configuration refers to.
    """

    def __init__(
        self,
        settings: TrackingSettings,
        *,
        manifest_tracker: ManifestTracker | None = None,
        wandb_tracker: Tracker | None = None,
        output_name: str | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        self.settings = settings
        self.manifest_tracker = manifest_tracker
        self.wandb_tracker = wandb_tracker
        self.output_name = output_name
        self.qualified_names: list[str] = []
        self._provenance = None if provenance is None else dict(provenance)
        self._resolved: dict[str, ResolvedArtifact] = {}
        self._inputs: dict[str, None] = {}
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
            return list(self._inputs)

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

    def make_current(self) -> None:
        """Make this the process's current tracking."""
        self._outer = CURRENT.set(self)

    def resolve(self, text: str) -> ResolvedArtifact:
        """Find what a reference or path means, and note it as an input.

        Within a tracking a reference keeps its first meaning: ``latest`` does not move.

        Args:
            text: A reference, a path or a URI.

        Raises:
            ArtifactNotFoundError: It means nothing.
            ArtifactError: It is a name, and tracking is off.
        """
        with self._lock:
            found = self._resolved.get(text)
            if found is None:
                found = self._look_up(text)
                self.adopt(text, found)
            return found

    def adopt(self, text: str, resolved: ResolvedArtifact) -> None:
        """Take over a resolution that this or another rank made, as an input."""
        with self._lock:
            self._resolved[text] = resolved
            self.note_input(resolved)

    def note_input(self, resolved: ResolvedArtifact) -> None:
        """Make something that was resolved or loaded an input of whatever is recorded here."""
        ref = resolved.ref or self._ref_of_place(resolved)
        with self._lock:
            self._inputs[ref or resolved.path] = None

    def has_resolved(self, text: str) -> bool:
        """Whether this very reference was resolved here before."""
        with self._lock:
            return text in self._resolved

    def forget_resolutions(self) -> None:
        """Look references up again from now on; what was resolved stays an input."""
        with self._lock:
            self._resolved.clear()

    def record(self, artifact: Artifact, name: str) -> LoggedArtifact:
        """Record an artifact in every backend, manifest first."""
        lineage = self._lineage(artifact)
        logged = LoggedArtifact(name)
        if self.manifest_tracker is not None:
            logged = self.manifest_tracker.log(artifact, name=name, lineage=lineage)
        if self.wandb_tracker is not None:
            noted = self.wandb_tracker.log(artifact, name=name, lineage=lineage)
            logged = logged if self.manifest else noted
        return logged

    def find_recorded(self, artifact: Artifact, name: str) -> LoggedArtifact | None:
        """The latest version of a name, if it records this very artifact."""
        if self.manifest_tracker is None:
            return None
        try:
            version = self.manifest_tracker.latest_version(name)
        except ArtifactNotFoundError:
            return None
        latest = self.manifest_tracker.read(name, version)
        lineage = self._lineage(artifact)
        same = (
            latest.type == artifact.type
            and latest.path == recorded_path(artifact.path)
            and latest.metadata == recorded_metadata(artifact)
            and latest.inputs == lineage.inputs
            and latest.input_revisions == lineage.input_revisions
            and latest.used_artifacts == lineage.used_artifacts
        )
        if not same:
            return None
        return LoggedArtifact(
            name,
            version,
            manifest_path=self.manifest_tracker.manifest_location(name, version),
            reused=True,
            created_at=latest.created_at,
            producer=latest.producer,
        )

    def _look_up(self, text: str) -> ResolvedArtifact:
        if looks_like_path(text):
            return resolve_path(text)
        if self.manifest_tracker is None and self.wandb_tracker is None:
            return self._look_up_untracked(text)
        reference = ArtifactReference.parse(text)
        if self.manifest_tracker is None or reference.owner is not None:
            return self._look_up_in_wandb(reference)
        if self.wandb_tracker is None:
            return self.manifest_tracker.resolve(reference)
        try:
            return self.manifest_tracker.resolve(reference)
        except ArtifactNotFoundError:
            return self.wandb_tracker.resolve(reference)

    def _ref_of_place(self, resolved: ResolvedArtifact) -> str | None:
        """The version that lies at a path: what its metadata says, where the store agrees."""
        name, version = resolved.document.get("name"), resolved.document.get("version")
        if self.manifest_tracker is None or not name or version is None:
            return None
        try:
            recorded = self.manifest_tracker.resolve(f"{name}:v{version}")
        except NemotronError as error:
            logger.debug("%s is an input by its path: %s", resolved.path, error)
            return None
        return recorded.ref if recorded.path == resolved.path else None

    def _look_up_in_wandb(self, reference: ArtifactReference) -> ResolvedArtifact:
        if self.wandb_tracker is None:
            raise ArtifactError(
                f"{reference} is a W&B artifact, and artifacts.wandb is off.",
                hint="Set artifacts.wandb=true, or use a name from the manifest store.",
            )
        return self.wandb_tracker.resolve(reference)

    def _look_up_untracked(self, text: str) -> ResolvedArtifact:
        if Path(text).exists():
            return resolve_path(text)
        raise ArtifactError(
            f"{text!r} is an artifact reference, but artifact tracking is off.",
            hint=_ENABLE_TRACKING,
        )

    def _lineage(self, artifact: Artifact) -> Lineage:
        used = {item: None for item in self.inputs if is_explicit_reference(item)}
        raw = {item: None for item in self.inputs if not is_explicit_reference(item)}
        for uri in artifact.get_input_uris():
            pinned = self._pin(uri)
            target = raw if pinned is None else used
            target[pinned or _recorded_uri(uri)] = None
        raw.pop(recorded_path(artifact.path), None)
        revisions = {
            redact_values(_recorded_uri(uri)): revision
            for uri, revision in artifact.get_input_revisions().items()
        }
        return Lineage(
            inputs=redact_values(list(raw)),
            input_revisions=revisions,
            used_artifacts=list(used),
            provenance=redact_values(self._full_provenance()),
        )

    def _pin(self, uri: str) -> str | None:
        if not is_explicit_reference(uri):
            return None
        try:
            return self._look_up(uri).ref
        except ArtifactError as error:
            logger.warning("The input %s is recorded as it is written: %s", uri, error)
            return None

    def _full_provenance(self) -> dict[str, Any]:
        if self._provenance is None:
            self._provenance = collect_provenance(Path.cwd())
        return {**self._provenance, **collect_host()}


def open_tracking(
    settings: TrackingSettings, *, config: DictConfig, artifacts_key: str = "run"
) -> ArtifactTrackingResult:
    """Open the backends of a configuration.

    Args:
        settings: The backends.
        config: The configuration: its output name and provenance are read.
        artifacts_key: The section that holds them.

    Raises:
        MissingDependencyError: A backend is asked for that is not installed.
        StoreError: The manifest root cannot be used.
    """
    return ArtifactTrackingResult(
        settings,
        manifest_tracker=_manifest_tracker(settings),
        wandb_tracker=open_tracker("wandb") if settings.wandb else None,
        output_name=_text(config, f"{artifacts_key}.output"),
        provenance=_recorded_provenance(config, artifacts_key),
    )


def _manifest_tracker(settings: TrackingSettings) -> ManifestTracker | None:
    if settings.root is None:
        return None
    return ManifestTracker(settings.root, single_writer=settings.single_writer)


def _recorded_provenance(config: DictConfig, artifacts_key: str) -> dict[str, Any] | None:
    section = OmegaConf.select(config, f"{artifacts_key}.provenance")
    if isinstance(section, DictConfig):
        return {str(k): v for k, v in OmegaConf.to_container(section, resolve=True).items()}  # type: ignore[union-attr]
    if not config:
        return None
    raw = OmegaConf.to_container(config, resolve=False)
    canonical = json.dumps(raw, sort_keys=True, default=str).encode()
    digest = f"sha256:{hashlib.sha256(canonical).hexdigest()}"
    return {**collect_provenance(Path.cwd()), "config_digest": digest}


def _text(config: DictConfig, key: str) -> str | None:
    value = OmegaConf.select(config, key)
    return value if isinstance(value, str) and value else None


def _recorded_uri(uri: str) -> str:
    local = local_path(uri)
    return uri if local is None or is_explicit_reference(uri) else str(local.absolute())
