"""Read all that a store holds, whatever part of it is damaged.

Listings, collection and examination look at many versions at once: one that cannot be read is
named, and the rest is still there.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nemo_runspec.artifacts.reference import is_artifact_name
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError
from nemo_runspec.manifest_tracker.parallel import in_parallel
from nemo_runspec.manifest_tracker.schema import Manifest
from nemo_runspec.manifest_tracker.tombstone import Withdrawal
from nemo_runspec.manifest_tracker.tracker import ManifestTracker
from nemo_runspec.manifest_tracker.versions import alias_path, manifest_path, parse_version_text


@dataclass(frozen=True)
class VersionRecord:
    """One version as it was found.

    Attributes:
        name: The artifact's name.
        version: Its number.
        manifest: Its record; None where that cannot be read.
        withdrawal: The notice of its withdrawal; None where it is in use.
        problem: Why something of it cannot be read.
    """

    name: str
    version: int
    manifest: Manifest | None = None
    withdrawal: Withdrawal | None = None
    problem: str | None = None

    @property
    def ref(self) -> str:
        """The pinned reference, ``name:v2``."""
        return f"{self.name}:v{self.version}"


@dataclass(frozen=True)
class AliasRecord:
    """One alias as it was found.

    Attributes:
        alias: The alias.
        version: The version that it means; 0 where its file is damaged.
        problem: Why it means no version.
    """

    alias: str
    version: int
    problem: str | None = None


@dataclass(frozen=True)
class NameSummary:
    """A name as listings show it.

    Attributes:
        name: The artifact's name.
        count: How many versions it has.
        latest: The record of its latest version.
        aliases: Its aliases.
        problem: Why something of it cannot be read.
    """

    name: str
    count: int = 0
    latest: Manifest | None = None
    aliases: list[AliasRecord] = field(default_factory=list)
    problem: str | None = None


@dataclass(frozen=True)
class NameRecord:
    """A name with all its versions.

    Attributes:
        name: The artifact's name.
        versions: Its versions, ascending.
        empty: Numbers whose folder has no manifest, ascending.
        aliases: Its aliases.
        problem: Why its folder cannot be listed.
    """

    name: str
    versions: list[VersionRecord] = field(default_factory=list)
    empty: list[int] = field(default_factory=list)
    aliases: list[AliasRecord] = field(default_factory=list)
    problem: str | None = None


def summarize_store(tracker: ManifestTracker) -> list[NameSummary]:
    """Read every name with its latest version.

    Raises:
        StoreError: The root cannot be listed.
    """
    found = in_parallel(lambda name: _summarize(tracker, name), artifact_folders(tracker))
    return [summary for summary in found if summary.count or summary.problem]


def survey_store(tracker: ManifestTracker) -> list[NameRecord]:
    """Read every name with all its versions, also names that have none.

    Raises:
        StoreError: The root cannot be listed.
    """
    return [survey_name(tracker, name) for name in artifact_folders(tracker)]


def survey_name(tracker: ManifestTracker, name: str) -> NameRecord:
    """Read all versions of a name."""
    try:
        numbers = version_folders(tracker, name)
        found = in_parallel(lambda number: read_version(tracker, name, number), numbers)
        versions = [record for record in found if record is not None]
        known = {record.version for record in versions}
        aliases = read_aliases(tracker, name)
    except ArtifactError as error:
        return NameRecord(name, problem=_sentence(error))
    empty = [number for number in numbers if number not in known]
    return NameRecord(name, versions, empty, aliases)


def read_version(tracker: ManifestTracker, name: str, number: int) -> VersionRecord | None:
    """Read one version; None where its folder has no manifest."""
    manifest, withdrawal, problem = None, None, None
    try:
        manifest = tracker.read(name, number)
    except ArtifactNotFoundError:
        return None
    except ArtifactError as error:
        problem = _sentence(error)
    try:
        withdrawal = tracker.withdrawal(name, number)
    except ArtifactError as error:
        problem = problem or _sentence(error)
    return VersionRecord(name, number, manifest, withdrawal, problem)


def read_aliases(tracker: ManifestTracker, name: str) -> list[AliasRecord]:
    """Read the aliases of a name, sorted, those that mean no version too."""
    return [_read_alias(tracker, name, a) for a in sorted(tracker.files.names(f"{name}/aliases"))]


def artifact_folders(tracker: ManifestTracker) -> list[str]:
    """The folders of the root that can be names, sorted."""
    return sorted(filter(is_artifact_name, tracker.files.folders("")))


def version_folders(tracker: ManifestTracker, name: str) -> list[int]:
    """The numbers of a name's version folders, ascending; some may have no manifest."""
    folders = tracker.files.folders(name)
    numbers = ((parse_version_text(folder.encode()), folder) for folder in folders)
    return sorted(number for number, folder in numbers if folder == f"v{number}")


def _summarize(tracker: ManifestTracker, name: str) -> NameSummary:
    try:
        numbers = version_folders(tracker, name)
        # A writer that died, or is at work, leaves a folder without a manifest behind the last.
        while numbers and not tracker.files.exists(manifest_path(name, numbers[-1])):
            numbers.pop()
        aliases = read_aliases(tracker, name) if numbers else []
    except ArtifactError as error:
        return NameSummary(name, problem=_sentence(error))
    if not numbers:
        return NameSummary(name)
    try:
        return NameSummary(name, len(numbers), tracker.find(name), aliases)
    except ArtifactError as error:
        return NameSummary(name, len(numbers), None, aliases, _sentence(error))


def _read_alias(tracker: ManifestTracker, name: str, alias: str) -> AliasRecord:
    version = parse_version_text(tracker.files.read(alias_path(name, alias)))
    if version == 0:
        return AliasRecord(alias, 0, "its file is damaged")
    if tracker.files.exists(manifest_path(name, version)):
        return AliasRecord(alias, version)
    return AliasRecord(alias, version, f"v{version} does not exist")


def _sentence(error: ArtifactError) -> str:
    return error.what if error.where is None else f"{error.where}: {error.what}"
