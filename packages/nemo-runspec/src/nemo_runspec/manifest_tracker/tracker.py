"""The manifest backend: records and resolves artifacts in a store of JSON files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from nemo_runspec.artifacts.base import Artifact
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
    ArtifactWithdrawnError,
    ManifestFormatError,
)
from nemo_runspec.json_values import json_text
from nemo_runspec.manifest_tracker.files import StoreFiles, open_files
from nemo_runspec.manifest_tracker.missing import (
    all_withdrawn,
    dangling_alias,
    unknown_alias,
    unknown_name,
    unknown_version,
)
from nemo_runspec.manifest_tracker.recording import draft_manifest, now, receipt_of
from nemo_runspec.manifest_tracker.schema import Manifest, parse_manifest
from nemo_runspec.manifest_tracker.tombstone import Withdrawal, parse_withdrawal
from nemo_runspec.manifest_tracker.versions import (
    Draft,
    alias_path,
    claim_version,
    gallop,
    hint_path,
    last_listed,
    listed_versions,
    manifest_path,
    parse_version_text,
    read_hint,
    tombstone_path,
    version_text,
)
from nemo_runspec.provenance import producer_id


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
        self._single_writer = single_writer

    @property
    def single_writer(self) -> bool:
        """Whether the user says that nothing else writes to the root at the same time."""
        return self._single_writer

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

        When this returns, the version is durable, every reader sees it, and the aliases that the
        artifact wants mean it.

        Args:
            artifact: What to record; it is not changed.
            name: The name to record it under.
            lineage: What it was made from.

        Raises:
            InvalidReferenceError: The name is no artifact name.
            StoreError: The storage refused; no half-written version is left.
        """
        check_artifact_name(name)
        template = draft_manifest(artifact, name, lineage)

        def manifest(version: int) -> Manifest:
            return template.model_copy(update={"version": version})

        draft = Draft(
            manifest=lambda version: manifest(version).to_json(),
            metadata=lambda version: json_text(manifest(version).document()),
            claim_id=str(template.claim_id),
        )
        version = claim_version(self._files, name, draft)
        self.move_aliases(name, version, artifact.wanted_aliases)
        return receipt_of(manifest(version), self.manifest_location(name, version))

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
            version = self._last_in_use(wanted.name, last_listed(self._files, wanted.name))
            data = self._files.read(manifest_path(wanted.name, version))
        if data is None and wanted.version is None:
            raise dangling_alias(self._files, wanted, version)
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
        if hint == 0:
            return self._last_in_use(name, last_listed(self._files, name))
        if self._files.exists(manifest_path(name, hint + 1)):
            return self._last_in_use(name, gallop(self._files, name, hint + 1))
        return hint

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
        return sorted(
            name for name in folders if any(True for _ in listed_versions(self._files, name))
        )

    def versions(self, name: str) -> list[int]:
        """The versions of a name that exist, ascending. Lists the name's folder."""
        return sorted(listed_versions(self._files, name))

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

    def move_aliases(self, name: str, version: int, aliases: Iterable[str]) -> None:
        """Let aliases mean a version, but for those that mean a later one already.

        What a job records at about the same time may arrive in any order.

        Raises:
            InvalidReferenceError: An alias reads as a version or has other characters.
        """
        for alias in aliases:
            if self._alias_target(name, check_alias(alias)) <= version:
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
        withdrawal = Withdrawal(reason=reason, withdrawn_at=now(), withdrawn_by=producer_id())
        # In this order: a hint that lags is harmless, one at a withdrawn version is not.
        self._step_hint_back(name, version)
        self._files.replace(tombstone_path(name, version), withdrawal.to_json())
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
            raise unknown_version(self._files, name, version)
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
            raise unknown_name(self._files, name)
        version = self._last_not_withdrawn(name, last)
        if version == 0:
            raise all_withdrawn(self._files, name, last)
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
        raise unknown_alias(self._files, reference, self.aliases(reference.name))

    def _alias_target(self, name: str, alias: str) -> int:
        return parse_version_text(self._files.read(alias_path(name, alias)))
