"""The manifest backend: records and resolves artifacts in a store of JSON files."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
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
from nemo_runspec.errors import (
    ArtifactError,
    ArtifactNotFoundError,
    ArtifactWithdrawnError,
    ManifestFormatError,
)
from nemo_runspec.json_values import json_text, json_value
from nemo_runspec.manifest_tracker.content import measure_content
from nemo_runspec.manifest_tracker.files import StoreFiles, open_files
from nemo_runspec.manifest_tracker.schema import FORMAT_VERSION, Manifest, parse_manifest
from nemo_runspec.manifest_tracker.tombstone import Withdrawal, parse_withdrawal
from nemo_runspec.manifest_tracker.versions import (
    Draft,
    alias_path,
    claim_version,
    gallop,
    hint_path,
    last_version,
    manifest_path,
    parse_version_text,
    read_hint,
    tombstone_path,
    version_text,
)
from nemo_runspec.provenance import producer_id
from nemo_runspec.redaction import redact_values

_VERSION_FOLDER = re.compile(r"v([1-9]\d*|0)")
_LISTED = 20


class ManifestTracker:
    """Artifacts in a manifest store.

    Args:
        root: A local or shared folder, or an ``s3://``, ``gs://``, ``hf://`` or ``memory://``
            URL.
        single_writer: That no other process writes below the root while this one does: only
            then a storage that ignores create-only writes is accepted.
    """

    backend = "manifest"

    def __init__(self, root: str | Path, *, single_writer: bool = False) -> None:
        self._files = open_files(root, single_writer=single_writer)

    @property
    def root(self) -> str:
        """The store's root, absolute where it is local."""
        return self._files.root

    @property
    def files(self) -> StoreFiles:
        """The file operations of the store."""
        return self._files

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
        template = _template(artifact, name, lineage)

        def manifest(version: int) -> Manifest:
            return template.model_copy(update={"version": version})

        draft = Draft(
            manifest=lambda version: manifest(version).to_json(),
            metadata=lambda version: json_text(manifest(version).document()),
            claim_id=str(template.claim_id),
        )
        version = claim_version(self._files, name, draft)
        return _receipt(manifest(version), self.manifest_location(name, version))

    def resolve(self, reference: ArtifactReference | str) -> ResolvedArtifact:
        """Find the version that a reference means.

        Raises:
            ArtifactNotFoundError: There is no such name, version or alias.
            ManifestFormatError: Its manifest is damaged or newer than this release.
        """
        wanted = ArtifactReference.parse(reference) if isinstance(reference, str) else reference
        manifest = self.find(wanted)
        if wanted.selector != LATEST:
            self._refuse_withdrawn(manifest)
        resolved = ResolvedArtifact(
            name=manifest.name,
            version=manifest.version,
            type=manifest.type,
            kind=manifest.kind,
            path=manifest.path,
            document=manifest.document(),
            where=self.manifest_location(manifest.name, manifest.version),
            qualified_name=manifest.ref,
        )
        return resolved.at(wanted.inside)

    def find(self, reference: ArtifactReference | str) -> Manifest:
        """Read the manifest that a reference means, a withdrawn one too.

        Raises:
            ArtifactNotFoundError: There is no such name, version or alias.
            ManifestFormatError: It is damaged or newer than this release.
        """
        wanted = ArtifactReference.parse(reference) if isinstance(reference, str) else reference
        version = self.find_version(wanted)
        data = self._files.read(manifest_path(wanted.name, version))
        if data is None and wanted.selector == LATEST:
            # The hint tells of a version that is gone.
            version = self._last_in_use(wanted.name, gallop(self._files, wanted.name, 0))
            data = self._files.read(manifest_path(wanted.name, version))
        if data is None and wanted.version is None:
            raise self._dangling(wanted, version)
        return self._parse(wanted.name, version, data)

    def find_version(self, reference: ArtifactReference) -> int:
        """The number that ``latest``, an alias or a version selects.

        For ``latest`` this takes the hint's word where nothing follows it; :meth:`find` and
        :meth:`resolve` verify it.

        Raises:
            ArtifactNotFoundError: There is no such name or alias.
        """
        if reference.version is not None:
            return reference.version
        if reference.selector != LATEST:
            return self._aliased_version(reference)
        name = check_artifact_name(reference.name)
        hint = read_hint(self._files, name)
        if not self._files.exists(manifest_path(name, hint + 1)):
            if hint == 0:
                raise self._unknown_name(name)
            return hint
        return self._last_in_use(name, gallop(self._files, name, hint + 1))

    def latest_version(self, name: str) -> int:
        """The number of the last version that is not withdrawn.

        Raises:
            ArtifactNotFoundError: The name has no version.
        """
        return self.find(ArtifactReference(check_artifact_name(name))).version

    def read(self, name: str, version: int) -> Manifest:
        """Read the manifest of one version.

        Raises:
            ArtifactNotFoundError: There is no such version.
            ManifestFormatError: It is damaged or newer than this release.
        """
        data = self._files.read(manifest_path(check_artifact_name(name), version))
        return self._parse(name, version, data)

    def read_document(self, name: str, version: int) -> dict[str, object]:
        """The manifest of one version exactly as its file holds it.

        Raises:
            ArtifactNotFoundError: There is no such version.
            ManifestFormatError: It is damaged or newer than this release.
        """
        data = self._files.read(manifest_path(check_artifact_name(name), version))
        self._parse(name, version, data)
        document: dict[str, object] = json.loads(data or b"{}")
        return document

    def manifest_location(self, name: str, version: int) -> str:
        """The full path or URL of a version's manifest."""
        return self._files.locate(manifest_path(name, version))

    def names(self) -> list[str]:
        """Every name with at least one version, sorted. Lists the root."""
        folders = filter(is_artifact_name, self._files.folders(""))
        return sorted(name for name in folders if any(True for _ in self._existing(name)))

    def versions(self, name: str) -> list[int]:
        """The versions of a name that exist, ascending. Lists the name's folder."""
        return sorted(self._existing(name))

    def _existing(self, name: str) -> Iterator[int]:
        for folder in self._files.folders(name):
            match = _VERSION_FOLDER.fullmatch(folder)
            if match and self._files.presumes(manifest_path(name, int(match.group(1)))):
                yield int(match.group(1))

    def aliases(self, name: str) -> dict[str, int]:
        """The aliases of a name and the versions they mean."""
        found: dict[str, int] = {}
        for alias in sorted(self._files.names(f"{name}/aliases")):
            version = self._alias_target(name, alias)
            if version:
                found[alias] = version
        return found

    def set_alias(self, name: str, version: int, alias: str) -> None:
        """Let an alias mean a version; it moves there if it existed.

        Raises:
            InvalidReferenceError: The alias reads as a version or has other characters.
            ArtifactNotFoundError: There is no such version.
        """
        check_alias(alias)
        self.read(name, version)
        self._files.replace(alias_path(name, alias), version_text(version))

    def remove_alias(self, name: str, alias: str) -> None:
        """Remove an alias; the version that it meant stays.

        Raises:
            ArtifactNotFoundError: There is no such alias.
        """
        check_alias(alias)
        self._aliased_version(ArtifactReference(check_artifact_name(name), alias))
        self._files.remove(alias_path(name, alias))

    def withdraw(self, name: str, version: int, *, reason: str) -> Withdrawal:
        """Take a version out of use: it stays recorded, and no reference finds it any more.

        Args:
            name: The artifact's name.
            version: Its number.
            reason: Why, for whoever asks for it later.

        Raises:
            ArtifactNotFoundError: There is no such version.
            ArtifactError: An alias means it.
        """
        self.read(name, version)
        held = [alias for alias, number in self.aliases(name).items() if number == version]
        if held:
            raise ArtifactError(
                f"{name}:v{version} cannot be withdrawn: {', '.join(held)} means it.",
                where=self.root,
                hint="Move or remove the alias first.",
            )
        withdrawal = Withdrawal(reason=reason, withdrawn_at=_now(), withdrawn_by=producer_id())
        self._files.replace(tombstone_path(name, version), withdrawal.to_json())
        self._step_hint_back(name, version)
        return withdrawal

    def restore(self, name: str, version: int) -> None:
        """Take a version into use again.

        Raises:
            ArtifactNotFoundError: There is no such version.
        """
        self.read(name, version)
        self._files.remove(tombstone_path(name, version))
        if read_hint(self._files, name) < version:
            self._files.replace(hint_path(name), version_text(version))

    def withdrawal(self, name: str, version: int) -> Withdrawal | None:
        """The notice of a version's withdrawal; None where it is in use."""
        path = tombstone_path(check_artifact_name(name), version)
        data = self._files.read(path)
        return None if data is None else parse_withdrawal(data, where=self._files.locate(path))

    def _parse(self, name: str, version: int, data: bytes | None) -> Manifest:
        if data is None:
            raise self._unknown_version(name, version)
        where = self.manifest_location(name, version)
        manifest = parse_manifest(data, where=where)
        if (manifest.name, manifest.version) != (name, version):
            raise ManifestFormatError(
                f"The manifest says that it is {manifest.ref}.",
                where=where,
                hint="Was the folder copied or renamed? Versions are never renumbered.",
            )
        return manifest

    def _step_hint_back(self, name: str, version: int) -> None:
        # Readers look at tombstones only where the hint is not the last version.
        if read_hint(self._files, name) != version:
            return
        earlier = self._last_not_withdrawn(name, version - 1)
        if earlier == 0:
            self._files.remove(hint_path(name))
            return
        self._files.replace(hint_path(name), version_text(earlier))

    def _last_in_use(self, name: str, last: int) -> int:
        if last == 0:
            raise self._unknown_name(name)
        version = self._last_not_withdrawn(name, last)
        if version == 0:
            raise ArtifactNotFoundError(
                f"Every version of {name!r} was withdrawn.",
                where=self.root,
                hint=f"Restore one: nemotron artifacts restore {name}:v{last}",
            )
        return version

    def _last_not_withdrawn(self, name: str, last: int) -> int:
        for version in range(last, 0, -1):
            if not self._files.exists(tombstone_path(name, version)):
                return version
        return 0

    def _refuse_withdrawn(self, manifest: Manifest) -> None:
        withdrawal = self.withdrawal(manifest.name, manifest.version)
        if withdrawal is None:
            return
        raise ArtifactWithdrawnError(
            f"{manifest.ref} was withdrawn on {withdrawal.withdrawn_at:%Y-%m-%d}: "
            f"{withdrawal.reason.rstrip('.')}.",
            where=self._files.locate(tombstone_path(manifest.name, manifest.version)),
            hint="Use another version, or take it back into use: "
            f"nemotron artifacts restore {manifest.ref}",
        )

    def _aliased_version(self, reference: ArtifactReference) -> int:
        version = self._alias_target(reference.name, reference.selector)
        if version:
            return version
        if last_version(self._files, reference.name) == 0:
            raise self._unknown_name(reference.name)
        known = ", ".join(self.aliases(reference.name)) or "none"
        raise ArtifactNotFoundError(
            f"{reference.name!r} has no alias {reference.selector!r}.",
            where=self.root,
            hint=f"Its aliases: {known}. Its versions: {self._version_list(reference.name)}.",
        )

    def _alias_target(self, name: str, alias: str) -> int:
        return parse_version_text(self._files.read(alias_path(name, alias)))

    def _dangling(self, reference: ArtifactReference, version: int) -> ArtifactNotFoundError:
        return ArtifactNotFoundError(
            f"{reference} means v{version}, which does not exist.",
            where=self._files.locate(alias_path(reference.name, reference.selector)),
            hint=f"Let it mean another version: nemotron artifacts alias "
            f"{reference.name}:VERSION {reference.selector}",
        )

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


def _template(artifact: Artifact, name: str, lineage: Lineage) -> Manifest:
    metadata = recorded_metadata(artifact)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=name,
        version=0,
        type=artifact.type,
        kind=artifact.kind,
        path=recorded_path(artifact.path),
        created_at=_now(),
        producer=artifact.producer or producer_id(),
        metadata=metadata,
        fields={key: metadata[key] for key in artifact.typed_fields()},
        inputs=lineage.inputs,
        input_revisions=lineage.input_revisions,
        used_artifacts=lineage.used_artifacts,
        provenance=lineage.provenance,
        content=measure_content(artifact),
        claim_id=uuid.uuid4().hex,
    )


def _now() -> datetime:
    return datetime.now().astimezone().replace(microsecond=0)


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
