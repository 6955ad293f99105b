"""The manifest backend: records and resolves artifacts in a store of JSON files."""

from __future__ import annotations

import json
import logging
import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.paths import RemotePath
from nemo_runspec.artifacts.reference import (
    LATEST,
    ArtifactReference,
    check_alias,
    check_artifact_name,
    is_artifact_name,
)
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact, ResolvedArtifact
from nemo_runspec.errors import ArtifactNotFoundError, ManifestFormatError, StoreError
from nemo_runspec.json_values import json_text, json_value
from nemo_runspec.manifest_tracker.content import measure_content
from nemo_runspec.manifest_tracker.files import open_files
from nemo_runspec.manifest_tracker.schema import FORMAT_VERSION, Manifest, parse_manifest
from nemo_runspec.manifest_tracker.versions import (
    claim_version,
    last_version,
    manifest_path,
    metadata_path,
)
from nemo_runspec.provenance import producer_id
from nemo_runspec.redaction import redact_values

logger = logging.getLogger(__name__)

_VERSION_FOLDER = re.compile(r"v([1-9]\d*|0)")
_VERSION_TEXT = re.compile(r"v(\d+)")
_LISTED = 20


class ManifestTracker:
    """Artifacts in a manifest store.

    Args:
        root: A local or shared folder, or a ``memory://`` URL.
    """

    backend = "manifest"

    def __init__(self, root: str | Path) -> None:
        self._files = open_files(root)

    @property
    def root(self) -> str:
        """The store's root, absolute where it is local."""
        return self._files.root

    def log(self, artifact: Artifact, *, name: str, lineage: Lineage) -> LoggedArtifact:
        """Record a new version of an artifact.

        When this returns, the version is durable and every reader sees it.

        Args:
            artifact: What to record; it is not changed.
            name: The name to record it under.
            lineage: What it was made from.

        Raises:
            InvalidReferenceError: The name is no artifact name.
            StoreError: The storage refused; no half-written version is left.
        """
        check_artifact_name(name)
        draft = _draft(artifact, name, lineage)

        def write(version: int) -> bytes:
            return draft.model_copy(update={"version": version}).to_json()

        def is_own(found: bytes) -> bool:
            return f'"{draft.claim_id}"'.encode() in found

        version = claim_version(self._files, name, write, is_own)
        manifest = draft.model_copy(update={"version": version})
        self._write_metadata(manifest)
        return _receipt(manifest, self.manifest_location(name, version))

    def resolve(self, reference: ArtifactReference | str) -> ResolvedArtifact:
        """Find the version that a reference means.

        Raises:
            ArtifactNotFoundError: There is no such name, version or alias.
            ManifestFormatError: Its manifest is damaged or newer than this release.
        """
        wanted = ArtifactReference.parse(reference) if isinstance(reference, str) else reference
        manifest = self.read(wanted.name, self.find_version(wanted))
        return ResolvedArtifact(
            name=manifest.name,
            version=manifest.version,
            type=manifest.type,
            kind=manifest.kind,
            path=manifest.path,
            document=manifest.document(),
            where=self.manifest_location(manifest.name, manifest.version),
            qualified_name=manifest.ref,
        )

    def find_version(self, reference: ArtifactReference) -> int:
        """The number that ``latest``, an alias or a version selects.

        Raises:
            ArtifactNotFoundError: There is no such name or alias.
        """
        if reference.version is not None:
            return reference.version
        if reference.selector == LATEST:
            return self.latest_version(reference.name)
        return self._aliased_version(reference)

    def latest_version(self, name: str) -> int:
        """The number of the last version.

        Raises:
            ArtifactNotFoundError: The name has no version.
        """
        version = last_version(self._files, check_artifact_name(name))
        if version == 0:
            raise self._unknown_name(name)
        return version

    def read(self, name: str, version: int) -> Manifest:
        """Read the manifest of one version.

        Raises:
            ArtifactNotFoundError: There is no such version.
            ManifestFormatError: It is damaged or newer than this release.
        """
        path = manifest_path(check_artifact_name(name), version)
        data = self._files.read(path)
        if data is None:
            raise self._unknown_version(name, version)
        manifest = parse_manifest(data, where=self._files.locate(path))
        if (manifest.name, manifest.version) != (name, version):
            raise ManifestFormatError(
                f"The manifest says that it is {manifest.ref}.",
                where=self._files.locate(path),
                hint="Was the folder copied or renamed? Versions are never renumbered.",
            )
        return manifest

    def read_document(self, name: str, version: int) -> dict[str, object]:
        """The manifest of one version exactly as its file holds it.

        Raises:
            ArtifactNotFoundError: There is no such version.
            ManifestFormatError: It is damaged or newer than this release.
        """
        self.read(name, version)
        document: dict[str, object] = json.loads(
            self._files.read(manifest_path(name, version)) or b"{}"
        )
        return document

    def manifest_location(self, name: str, version: int) -> str:
        """The full path or URL of a version's manifest."""
        return self._files.locate(manifest_path(name, version))

    def names(self) -> list[str]:
        """Every name with at least one version, sorted. Lists the root."""
        folders = filter(is_artifact_name, self._files.folders(""))
        return sorted(name for name in folders if self.versions(name))

    def versions(self, name: str) -> list[int]:
        """The versions of a name that exist, ascending. Lists the name's folder."""
        folders = self._files.folders(name)
        numbers = (int(m.group(1)) for m in map(_VERSION_FOLDER.fullmatch, folders) if m)
        return sorted(n for n in numbers if self._files.exists(manifest_path(name, n)))

    def aliases(self, name: str) -> dict[str, int]:
        """The aliases of a name and the versions they mean."""
        found: dict[str, int] = {}
        for alias in sorted(self._files.names(f"{name}/aliases")):
            match = _VERSION_TEXT.fullmatch(self._alias_text(name, alias))
            if match:
                found[alias] = int(match.group(1))
        return found

    def set_alias(self, name: str, version: int, alias: str) -> None:
        """Let an alias mean a version; it moves there if it existed.

        Raises:
            InvalidReferenceError: The alias reads as a version or has other characters.
            ArtifactNotFoundError: There is no such version.
        """
        check_alias(alias)
        self.read(name, version)
        self._files.replace(f"{name}/aliases/{alias}", f"v{version}".encode())

    def _aliased_version(self, reference: ArtifactReference) -> int:
        text = self._alias_text(reference.name, reference.selector)
        match = _VERSION_TEXT.fullmatch(text)
        if match:
            return int(match.group(1))
        if last_version(self._files, reference.name) == 0:
            raise self._unknown_name(reference.name)
        known = ", ".join(self.aliases(reference.name)) or "none"
        raise ArtifactNotFoundError(
            f"{reference.name!r} has no alias {reference.selector!r}.",
            where=self.root,
            hint=f"Its aliases: {known}. Its versions: {self._version_list(reference.name)}.",
        )

    def _alias_text(self, name: str, alias: str) -> str:
        data = self._files.read(f"{name}/aliases/{alias}")
        return (data or b"").decode("utf-8", "replace").strip()

    def _write_metadata(self, manifest: Manifest) -> None:
        data = json_text(manifest.document())
        try:
            self._files.replace(metadata_path(manifest.name, manifest.version), data)
        except StoreError as error:
            logger.warning("%s is recorded, but its metadata.json is not: %s", manifest.ref, error)

    def _unknown_name(self, name: str) -> ArtifactNotFoundError:
        import difflib

        folders = self._files.folders("")
        names = sorted(found for found in folders if is_artifact_name(found) and found != name)
        close = difflib.get_close_matches(name, names, n=1)
        if close:
            hint = f"Did you mean {close[0]!r}?"
        elif names:
            hint = f"It holds: {', '.join(names[:_LISTED])}."
        else:
            hint = "It holds no artifacts yet; is artifacts.manifest.root the one you mean?"
        return ArtifactNotFoundError(f"No artifact is named {name!r}.", where=self.root, hint=hint)

    def _unknown_version(self, name: str, version: int) -> ArtifactNotFoundError:
        if last_version(self._files, name) == 0:
            return self._unknown_name(name)
        return ArtifactNotFoundError(
            f"{name!r} has no version v{version}.",
            where=self.root,
            hint=f"It has {self._version_list(name)}.",
        )

    def _version_list(self, name: str) -> str:
        last = last_version(self._files, name)
        return "v1" if last == 1 else f"v1 to v{last}"


def _draft(artifact: Artifact, name: str, lineage: Lineage) -> Manifest:
    metadata = recorded_metadata(artifact)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=name,
        version=0,
        type=artifact.type,
        kind=artifact.kind,
        path=recorded_path(artifact.path),
        created_at=datetime.now().astimezone().replace(microsecond=0),
        producer=artifact.producer or producer_id(),
        metadata=metadata,
        fields={key: metadata[key] for key in artifact.typed_fields()},
        inputs=lineage.inputs,
        input_revisions=lineage.input_revisions,
        used_artifacts=lineage.used_artifacts,
        provenance=lineage.provenance,
        content=measure_content(artifact.path),
        claim_id=uuid.uuid4().hex,
    )


def _receipt(manifest: Manifest, location: str) -> LoggedArtifact:
    return LoggedArtifact(
        manifest.name,
        manifest.version,
        manifest_path=location,
        created_at=manifest.created_at,
        producer=manifest.producer,
    )


def recorded_path(path: Path | RemotePath) -> str:
    """An artifact's path as manifests hold it: a URI to the letter, a local path absolute."""
    place: str = redact_values(str(path.absolute()) if isinstance(path, Path) else str(path))
    return place


def recorded_metadata(artifact: Artifact) -> dict[str, Any]:
    """An artifact's free-form values and typed fields as manifests hold them."""
    flat: dict[str, Any] = redact_values(json_value(artifact.metadata) | artifact.typed_fields())
    return flat
