"""Whether what lies at an artifact's path is still what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from nemo_runspec.artifacts.paths import RemotePath, local_path
from nemo_runspec.errors import ArtifactError
from nemo_runspec.manifest_tracker.content import (
    FoundFile,
    describe,
    digest_files,
    digest_of_links,
    list_files,
)
from nemo_runspec.manifest_tracker.schema import Content, FileRecord, Manifest
from nemo_runspec.manifest_tracker.tracker import ManifestTracker

_NS_PER_S = 10**9


@dataclass(frozen=True)
class Fault:
    """Something that is not as it was recorded.

    Attributes:
        path: The file, folder or URI.
        problem: What is wrong with it, to follow the path in a sentence.
    """

    path: str
    problem: str


@dataclass(frozen=True)
class Verification:
    """What became of the data of one version.

    Attributes:
        ref: The pinned reference.
        path: The place that was looked at.
        faults: What is not as it was recorded.
        unchecked: What could not be checked, a sentence each.
        files: How many files were compared.
    """

    ref: str
    path: str
    faults: list[Fault] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    files: int = 0


def verify_version(tracker: ManifestTracker, reference: str) -> Verification:
    """Compare the data of a version with its record.

    Args:
        tracker: The store.
        reference: Which version; a withdrawn one too.

    Raises:
        ArtifactNotFoundError: The reference means nothing.
        ManifestFormatError: The manifest is damaged or newer than this release.
        ArtifactError: The data lies on storage that cannot be reached.
    """
    return verify_manifest(tracker.find(reference))


def verify_manifest(manifest: Manifest) -> Verification:
    """Compare the data of a version with its record.

    Raises:
        ArtifactError: The data lies on storage that cannot be reached.
    """
    content = manifest.content
    place = measured_place(manifest)
    faults = [fault for each in dict.fromkeys([manifest.path, place]) for fault in _missing(each)]
    unchecked = list(_not_checked(place, content))
    local = local_path(place)
    if faults or local is None or content is None:
        return Verification(manifest.ref, place, faults, unchecked)
    try:
        files = list_files(local)
        faults = [*_differences(local, content, files), *_dangling(files)]
        unchecked += _not_followed(content, files)
    except OSError as error:
        faults = [Fault(str(error.filename or local), f"cannot be read: {error.strerror}")]
        return Verification(manifest.ref, place, faults, unchecked)
    return Verification(manifest.ref, place, faults, unchecked, len(files))


def measured_place(manifest: Manifest) -> str:
    """Where the content that a manifest records lies."""
    content = manifest.content
    return content.path if content and content.path else manifest.path


def _missing(place: str) -> Iterator[Fault]:
    local = local_path(place)
    try:
        exists = RemotePath(place).exists() if local is None else local.exists()
    except (ImportError, ValueError, OSError) as error:
        if local is None:
            raise _unreachable(place, error) from error
        yield Fault(place, f"cannot be read: {getattr(error, 'strerror', None) or error}")
        return
    if not exists:
        yield Fault(place, "does not exist")


def _not_checked(place: str, content: Content | None) -> Iterator[str]:
    if local_path(place) is None:
        yield "The files on remote storage: only that something is there was checked."
    elif content is None:
        yield "The files: nothing was recorded of them."
    elif content.listing is None and content.digest is None:
        yield "Files that were rewritten and kept their size: only sizes were recorded."
    elif content.digest is None:
        yield "The bytes of the files: no digest was recorded, only sizes and times."


def _not_followed(content: Content, files: list[FoundFile]) -> Iterator[str]:
    links = [file for file in files if file.target and file.target.problem is None]
    folders = [file for file in links if Path(file.path).is_dir()]
    if folders:
        more = f" and {len(folders) - 1:,} more" if len(folders) > 1 else ""
        yield f"What lies behind links to folders, which are not followed: {folders[0].path}{more}."
    if any(file.target and file.target.bytes is not None for file in links):
        if content.links is None:
            yield "What links lead to: nothing was recorded of it."
        else:
            yield "The bytes of what links lead to: only its sizes and times were recorded."


def _dangling(files: list[FoundFile]) -> Iterator[Fault]:
    for file in files:
        if file.target is not None and file.target.problem is not None:
            yield Fault(file.path, f"is a link that leads nowhere: {file.target.problem}")


def _differences(place: Path, content: Content, files: list[FoundFile]) -> Iterator[Fault]:
    if content.entries is None:
        yield from _different_totals(place, content, files)
        return
    found = {file.name: file for file in files}
    for name in sorted(content.entries.keys() - found.keys()):
        yield Fault(str(place / name), "is missing")
    for name in sorted(found.keys() - content.entries.keys()):
        yield Fault(found[name].path, "was added")
    yield from _changed_files(content.entries, found)


def _changed_files(
    entries: Mapping[str, FileRecord], found: Mapping[str, FoundFile]
) -> Iterator[Fault]:
    for name, record in entries.items():
        file = found.get(name)
        problem = _change(record, file) if file is not None else None
        if file is not None and problem is not None:
            yield Fault(file.path, problem)


def _change(record: FileRecord, file: FoundFile) -> str | None:
    if file.bytes != record.bytes:
        return f"has {file.bytes:,} bytes; {record.bytes:,} were recorded"
    if record.digest is not None:
        if digest_files([file]).get(file.name) != record.digest:
            return "was rewritten: its digest is another"
    elif file.modified_ns != record.modified_ns:
        return f"was rewritten on {_time(file.modified_ns)}; it kept its size"
    return _changed_target(record, file)


def _changed_target(record: FileRecord, file: FoundFile) -> str | None:
    recorded = record.target
    if recorded is None or file.target is None or file.target.problem is not None:
        return None
    bytes_now, modified_ns = file.target.bytes, file.target.modified_ns
    if bytes_now is None or modified_ns is None:
        return "leads to no file any more"
    if bytes_now != recorded.bytes:
        return f"leads to {bytes_now:,} bytes; {recorded.bytes:,} were recorded"
    if modified_ns != recorded.modified_ns:
        return f"leads to a file that was rewritten on {_time(modified_ns)}; it kept its size"
    return None


def _different_totals(place: Path, content: Content, files: list[FoundFile]) -> Iterator[Fault]:
    digests = None if content.digest is None else digest_files(files)
    now = describe(files, digests)
    if now.files != content.files:
        yield Fault(str(place), f"has {now.files:,} files; {content.files:,} were recorded")
    if now.bytes != content.bytes:
        yield Fault(str(place), f"has {now.bytes:,} bytes; {content.bytes:,} were recorded")
    if (now.files, now.bytes) != (content.files, content.bytes):
        return
    if content.digest is not None:
        if now.digest != content.digest:
            yield Fault(str(place), "was rewritten in part: its digest is another")
    elif content.listing is not None and now.listing != content.listing:
        yield Fault(str(place), "was rewritten in part: names or modification times are others")
    links = content.links
    if links is not None and links != digest_of_links(files):
        yield Fault(str(place), "has links that lead to files of other sizes or times")


def _time(modified_ns: int) -> str:
    try:
        time = datetime.fromtimestamp(modified_ns // _NS_PER_S, UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return "a date that no calendar has"
    return f"{time:%Y-%m-%d %H:%M:%S %z}"


def _unreachable(place: str, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"The data cannot be reached: {str(error).rstrip('.')}.",
        where=place,
        hint="Check that the storage can be reached from here and that its package is installed.",
    )
