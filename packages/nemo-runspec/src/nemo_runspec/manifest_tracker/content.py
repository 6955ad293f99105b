"""Measure what lies at an artifact's path, so that later changes are found.

A small dataset is read and digested. For larger ones and for checkpoints, which must not be read
while training waits, sizes and modification times tell.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.metadata_file import METADATA_FILE
from nemo_runspec.artifacts.paths import RemotePath, as_artifact_path, local_path
from nemo_runspec.artifacts.tracker import OWN_DIRECTORY
from nemo_runspec.manifest_tracker.schema import Content, FileRecord, LinkedFile

logger = logging.getLogger(__name__)

OUR_FOLDER = ".nemotron"

_LARGEST_DIGESTED_BYTES = 256 * 2**20
_MOST_DIGESTED_FILES = 10_000
_MOST_LISTED_FILES = 256


@dataclass(frozen=True, slots=True)
class LinkTarget:
    """What a link leads to; it is looked at and never opened.

    Attributes:
        bytes: The file's size; None where it is no file.
        modified_ns: When that was written, in nanoseconds since 1970.
        problem: Why the link leads to nothing that can be read.
    """

    bytes: int | None = None
    modified_ns: int | None = None
    problem: str | None = None

    def record(self) -> LinkedFile | None:
        """How a manifest records it; None where it is no file."""
        if self.bytes is None or self.modified_ns is None:
            return None
        return LinkedFile(bytes=self.bytes, modified_ns=self.modified_ns)


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file, or a link that is not followed.

    Attributes:
        name: Its path below what was measured, with ``/``; the file's own name where that is one
            file.
        path: Its full path.
        bytes: Its size.
        modified_ns: When it was written, in nanoseconds since 1970.
        regular: Whether it is a file with content to read, rather than a link or device.
        target: What it leads to, where it is a link.
    """

    name: str
    path: str
    bytes: int
    modified_ns: int
    regular: bool
    target: LinkTarget | None = None


def measure_content(artifact: Artifact) -> Content | None:
    """Measure what an artifact points to: of a checkpoint, its own iteration's directory.

    The ``metadata.json`` that we write ourselves is left out. Links are counted, and of a file that
    one leads to size and time are noted; folders behind links are not entered.

    Returns:
        None for remote storage, for a path that does not exist, and where something below it
        cannot be read.
    """
    own = artifact.metadata.get(OWN_DIRECTORY) if artifact.kind == "model" else None
    place = as_artifact_path(own) if isinstance(own, str) and own else artifact.path
    local = artifact.seen_at or local_path(place)
    if local is None:
        return None
    try:
        return _measured(local, artifact, place)
    except OSError as error:
        logger.warning("The size of %s is not recorded: %s", local, error)
        return None


def list_files(place: Path) -> list[FoundFile]:
    """List a file, or all files below a folder, sorted by their names.

    What vanishes meanwhile is left out: a checkpoint folder is alive while it is measured.

    Raises:
        OSError: Something cannot be read, or the place itself does not exist.
    """
    status = place.stat()
    if not stat.S_ISDIR(status.st_mode):
        return [_found(_text(place.name), str(place), status)]
    found = _walk(str(place), "")
    return sorted((file for file in found if not _is_our_metadata(file)), key=_sort_key)


def digest_files(files: Iterable[FoundFile]) -> dict[str, str]:
    """Read files.

    Returns:
        The ``sha256:…`` of each by its name; one that vanished is left out.

    Raises:
        OSError: A file cannot be read.
    """
    digests = {}
    for file in files:
        try:
            digests[file.name] = _digest(file)
        except FileNotFoundError:
            logger.debug("%s is gone.", file.path)
    return digests


def describe(files: list[FoundFile], digests: Mapping[str, str] | None) -> Content:
    """Sum a list of files up.

    Args:
        files: Sorted, as :func:`list_files` gives them.
        digests: What :func:`digest_files` gave for them; None where they were not read.
    """
    named = len(files) <= _MOST_LISTED_FILES
    return Content(
        bytes=sum(file.bytes for file in files),
        files=len(files),
        digest=None if digests is None else _combined(_digest_lines(files, digests)),
        listing=_combined(_listing_lines(files)),
        links=digest_of_links(files),
        entries={file.name: _record(file, digests or {}) for file in files} if named else None,
    )


def digest_of_links(files: Iterable[FoundFile]) -> str | None:
    """Sum up what all links lead to: names, sizes and times; None where there are no links."""
    lines = [
        f"{file.target.bytes} {file.target.modified_ns} ".encode() + _sort_key(file)
        for file in files
        if file.target is not None
    ]
    return _combined(lines) if lines else None


def _measured(local: Path, artifact: Artifact, place: Path | RemotePath) -> Content | None:
    if not local.exists():
        return None
    files = list_files(local)
    content = describe(files, _worthwhile_digests(files) if artifact.kind == "dataset" else None)
    return content if place == artifact.path else content.model_copy(update={"path": str(place)})


def _worthwhile_digests(files: list[FoundFile]) -> dict[str, str] | None:
    total = sum(file.bytes for file in files)
    if total > _LARGEST_DIGESTED_BYTES or len(files) > _MOST_DIGESTED_FILES:
        return None
    try:
        digests = digest_files(files)
    except OSError as error:
        logger.warning("No digest is recorded: %s", error)
        return None
    files[:] = [file for file in files if file.name in digests]
    return digests


def _walk(folder: str, prefix: str) -> Iterator[FoundFile]:
    for entry in _entries(folder):
        name = f"{prefix}{_text(entry.name)}"
        if entry.is_dir(follow_symlinks=False):
            if not _is_ours(entry):
                yield from _walk(entry.path, f"{name}/")
            continue
        try:
            yield _found(name, entry.path, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            logger.debug("%s is gone.", entry.path)


def _is_our_metadata(file: FoundFile) -> bool:
    if file.name != METADATA_FILE or not file.regular or file.bytes > _LARGEST_DIGESTED_BYTES:
        return False
    try:
        document = json.loads(Path(file.path).read_bytes())
    except FileNotFoundError:
        return True
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and {"type", "path"} <= document.keys()


def _is_ours(folder: os.DirEntry[str]) -> bool:
    """Tell run directories and stores, which change as soon as something is recorded."""
    return folder.name == OUR_FOLDER or Path(folder.path, OUR_FOLDER, "store.json").exists()


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        return []


def _found(name: str, path: str, status: os.stat_result) -> FoundFile:
    regular = stat.S_ISREG(status.st_mode)
    target = _target(path) if stat.S_ISLNK(status.st_mode) else None
    return FoundFile(name, path, status.st_size, status.st_mtime_ns, regular, target)


def _target(link: str) -> LinkTarget:
    try:
        status = Path(link).stat()
    except OSError as error:
        return LinkTarget(problem=error.strerror or str(error))
    if stat.S_ISREG(status.st_mode):
        return LinkTarget(status.st_size, status.st_mtime_ns)
    return LinkTarget()


def _text(name: str) -> str:
    """Spell a file's name so that JSON holds it, one that is no UTF-8 too."""
    return os.fsencode(name).decode(errors="backslashreplace")


def _sort_key(file: FoundFile) -> bytes:
    return file.name.encode()


def _digest(file: FoundFile) -> str:
    path = Path(file.path)
    if not file.regular:
        target = os.fsencode(path.readlink()) if path.is_symlink() else b""
        return f"sha256:{hashlib.sha256(target).hexdigest()}"
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _digest_lines(files: Iterable[FoundFile], digests: Mapping[str, str]) -> Iterator[bytes]:
    for file in files:
        yield f"{digests.get(file.name)} {file.bytes} ".encode() + _sort_key(file)


def _listing_lines(files: Iterable[FoundFile]) -> Iterator[bytes]:
    for file in files:
        yield f"{file.bytes} {file.modified_ns} ".encode() + _sort_key(file)


def _combined(lines: Iterable[bytes]) -> str:
    total = hashlib.sha256()
    for line in lines:
        total.update(line + b"\0")
    return f"sha256:{total.hexdigest()}"


def _record(file: FoundFile, digests: Mapping[str, str]) -> FileRecord:
    return FileRecord(
        bytes=file.bytes,
        modified_ns=file.modified_ns,
        digest=digests.get(file.name),
        target=None if file.target is None else file.target.record(),
    )
