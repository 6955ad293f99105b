"""Every version of a store, and what uses it.

Versions are looked for in the store each time: of every name, forward from the last one known.
What was read once is taken from the copy, as long as the last version that it knows is still the
one in the store; otherwise the name was made anew, and all of it is read again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path

from nemo_runspec.artifacts.reference import is_artifact_name
from nemo_runspec.lineage.cache import StoreCopy, Versions, cache_folder
from nemo_runspec.lineage.reading import Reading, read_manifest
from nemo_runspec.lineage.records import VersionRecord
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.parallel import in_parallel
from nemo_runspec.manifest_tracker.versions import gallop, last_version

_MEMORY_SCHEME = "memory://"


class StoreIndex:
    """The records of all versions of a store, as of one moment.

    Args:
        records: The versions that could be read, by reference.
        problems: Why others could not, by reference.
    """

    def __init__(self, records: dict[str, VersionRecord], problems: dict[str, str]) -> None:
        self.records = records
        self.problems = problems

    @classmethod
    def read(cls, tracker: ManifestTracker, folder: Path | None = None) -> StoreIndex:
        """Read a store, as far as it is not known yet.

        Args:
            tracker: The store.
            folder: The cache folder; by default the user's.

        Raises:
            StoreError: The store cannot be listed.
        """
        copy = StoreCopy(tracker.root, _folder_for(tracker.root, folder))
        known = copy.load()
        names = sorted(filter(is_artifact_name, tracker.files.folders("")))
        looks = in_parallel(partial(_look, tracker, known), names)
        found = {name: versions for name, versions, _ in looks}
        missing = [ref for _, _, refs in looks for ref in refs]
        problems = _add(found, in_parallel(partial(read_manifest, tracker), missing))
        if len(missing) > len(problems) or known.keys() != found.keys():
            copy.save(found)
        versions = (record for of_name in found.values() for record in of_name.values())
        return cls({record.ref: record for record in versions}, problems)

    @cached_property
    def users(self) -> dict[str, list[str]]:
        """The versions that were made from a version, by its reference."""
        users: dict[str, list[str]] = {}
        for ref, record in self.records.items():
            for used in record.used:
                users.setdefault(used, []).append(ref)
        return users


def _folder_for(root: str, folder: Path | None) -> Path | None:
    """Another process's memory under the same URL is another store."""
    return None if root.startswith(_MEMORY_SCHEME) else folder or cache_folder()


def _look(
    tracker: ManifestTracker, known: Mapping[str, Versions], name: str
) -> tuple[str, Versions, list[str]]:
    """Find a name's versions: those of the copy that still hold, and those to be read."""
    versions = dict(known.get(name, {}))
    if versions and _is_same(tracker, versions[max(versions)]):
        last = gallop(tracker.files, name, max(versions))
    else:
        versions = {}
        last = last_version(tracker.files, name)
    missing = [f"{name}:v{n}" for n in range(1, last + 1) if n not in versions]
    return name, versions, missing


def _is_same(tracker: ManifestTracker, record: VersionRecord) -> bool:
    manifest = read_manifest(tracker, record.ref).manifest
    return manifest is not None and VersionRecord.of(manifest) == record


def _add(found: Mapping[str, Versions], readings: list[Reading]) -> dict[str, str]:
    problems: dict[str, str] = {}
    for reading in readings:
        if reading.manifest is None:
            problems[reading.ref] = reading.problem or ""
        else:
            record = VersionRecord.of(reading.manifest)
            found[record.name][record.version] = record
    return problems
