"""What a tracking backend is: it records artifacts and resolves references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.errors import ArtifactNotFoundError

OWN_DIRECTORY = "absolute_path"
"""Where a checkpoint's own step lies; its ``path`` is the directory that holds all steps."""


@dataclass(frozen=True)
class Lineage:
    """What an artifact was made from, and how.

    Attributes:
        inputs: URIs of raw inputs.
        input_revisions: The revision of each raw input that has one.
        used_artifacts: Pinned references of artifacts.
        provenance: Code, configuration, software and host.
    """

    inputs: list[str] = field(default_factory=list)
    input_revisions: dict[str, str] = field(default_factory=dict)
    used_artifacts: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LoggedArtifact:
    """The receipt of a record.

    Attributes:
        name: The artifact's name.
        version: Its number; None where no backend is active, or none can tell it yet.
        manifest_path: Where its manifest lies; None without the manifest backend.
        reused: True when the latest version already recorded the same artifact.
        created_at: When it was recorded.
        producer: The job that made it.
        url: Its page, where the backend has one.
    """

    name: str
    version: int | None = None
    manifest_path: str | None = None
    reused: bool = False
    created_at: datetime | None = None
    producer: str | None = None
    url: str | None = None

    @property
    def ref(self) -> str:
        """The pinned reference, ``name:v2``; the bare name where no version is known."""
        return self.name if self.version is None else f"{self.name}:v{self.version}"


@dataclass(frozen=True)
class ResolvedArtifact:
    """A reference after a tracker has found it.

    Attributes:
        name: The artifact's name; None for a path that carries no metadata.
        version: Its number; None for a path.
        type: The artifact's class.
        kind: ``dataset`` or ``model``.
        path: Where the data lies.
        document: The flat dump: core fields, typed fields and free-form values.
        where: The record it was read from, for messages.
        qualified_name: The full name under which the backend knows it.
        owner: ``entity/project`` where that belongs to its reference: no backend of this tracking
            would find the artifact by its name alone.
    """

    name: str | None
    version: int | None
    type: str
    kind: str
    path: str
    document: Mapping[str, Any]
    where: str
    qualified_name: str | None = None
    owner: str | None = None

    @property
    def ref(self) -> str | None:
        """The pinned reference; None for a path."""
        if self.name is None or self.version is None:
            return None
        return str(ArtifactReference(self.name, f"v{self.version}", self.owner))

    def at(self, inside: str) -> ResolvedArtifact:
        """The same artifact with its path joined to a path inside it; other fields stay its own.

        Args:
            inside: A relative path; nothing for the artifact itself.
        """
        if not inside:
            return self
        path = f"{self.path.rstrip('/')}/{inside}"
        # Who names a directory inside it means that one, and no step's.
        own = {OWN_DIRECTORY: path} if OWN_DIRECTORY in self.document else {}
        return replace(self, path=path, document={**self.document, **own, "path": path})

    def value(self, key: str) -> Any:
        """What ``${art:NAME,FIELD}`` gives.

        Args:
            key: ``path``, ``version`` (as ``v2``), ``name``, ``type`` (``dataset`` or
                ``model``), ``iteration``, ``absolute_path`` (a checkpoint's own directory, the
                path of anything else), or any typed or free-form field.

        Raises:
            ArtifactNotFoundError: There is no such field; the message lists those there are.
        """
        special: dict[str, Any] = {"path": self.path, "type": self.kind}
        version = self.document.get("version") if self.version is None else self.version
        if version is not None:
            special["version"] = f"v{version}"
        if self.name is not None:
            special["name"] = self.name
        if key in special:
            return special[key]
        if key == "iteration" and "iteration" not in self.document and "step" in self.document:
            return self.document["step"]
        if key in self.document:
            return self.document[key]
        if key == OWN_DIRECTORY:
            return self.path
        known = sorted({*special, *self.document} - {"metadata"})
        raise ArtifactNotFoundError(
            f"{self.ref or self.path} has no field {key!r}.",
            where=self.where,
            hint=f"It has: {', '.join(known)}.",
        )


class Tracker(Protocol):
    """A backend that records artifacts and resolves references.

    A distribution offers one through the entry-point group ``nemo_runspec.trackers``.
    """

    @property
    def backend(self) -> str:
        """The backend's name: ``manifest`` or ``wandb``."""
        ...

    def log(self, artifact: Artifact, *, name: str, lineage: Lineage) -> LoggedArtifact:
        """Record a new version of an artifact."""
        ...

    def resolve(self, reference: ArtifactReference) -> ResolvedArtifact:
        """Find the version that a reference means.

        Raises:
            ArtifactNotFoundError: There is no such name, version or alias.
        """
        ...


@runtime_checkable
class LinkingTracker(Protocol):
    """A best-effort backend that can name what the reliable one resolved."""

    def edge_name(self, reference: str) -> str:
        """The full name under which this backend knows a version of the reliable one.

        Asks no server: the version may even be on its way there.

        Args:
            reference: The pinned reference, such as ``nano3-sft-data:v2``.
        """
        ...
