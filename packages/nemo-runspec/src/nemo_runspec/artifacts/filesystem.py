"""Read through references: an fsspec file system for ``art://NAME[:V]/path/inside``.

``fsspec.open("art://nano3-sft-data:latest/blend.json")`` opens the file below that artifact's
path, on whatever storage it lies. Whatever is read this way becomes a pinned input of the current
tracking, and ``latest`` keeps its first meaning there. Nothing can be written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import fsspec
from fsspec.spec import AbstractFileSystem

from nemo_runspec.artifacts.reference import LATEST, SCHEME
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.errors import (
    ArtifactFileNotFoundError,
    ArtifactNotFoundError,
    InvalidReferenceError,
    ReadOnlyArtifactError,
)

PROTOCOL = "art"


def register_filesystem() -> None:
    """Make ``art://`` known to fsspec where entry points do not exist: in a packaged script."""
    where = f"{ArtifactFileSystem.__module__}.{ArtifactFileSystem.__qualname__}"
    fsspec.register_implementation(PROTOCOL, where, clobber=True)


class ArtifactFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """The files of recorded artifacts, read-only."""

    protocol: str | tuple[str, ...] = PROTOCOL
    root_marker = ""

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        """Describe a file or folder, as the storage that it lies on does.

        Raises:
            ArtifactFileNotFoundError: There is no such artifact, version or file.
        """
        name = self._name(path)
        with _told_by_reference(name):
            filesystem, place = self._place(name)
            return {**filesystem.info(place, **kwargs), "name": name}

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:  # noqa: FBT001, FBT002 - fsspec's own signature
        """List a folder of an artifact, or a file.

        Raises:
            ArtifactFileNotFoundError: There is no such artifact, version or path.
        """
        name = self._name(path)
        with _told_by_reference(name):
            filesystem, place = self._place(name)
            below = filesystem.ls(place, detail=True, **kwargs)
        start = str(filesystem._strip_protocol(place)).rstrip("/")  # noqa: SLF001 - fsspec's way to spell a path
        entries = [{**entry, "name": _renamed(entry, start, name)} for entry in below]
        return entries if detail else [entry["name"] for entry in entries]

    def exists(self, path: str, **kwargs: Any) -> bool:
        """Tell whether something is there; a storage that cannot be asked is an error."""
        try:
            self.info(path, **kwargs)
        except (FileNotFoundError, InvalidReferenceError):
            return False
        return True

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **kwargs: Any
    ) -> bytes:
        """Read a file, or a part of it.

        Raises:
            ArtifactFileNotFoundError: There is no such artifact, version or file.
        """
        name = self._name(path)
        with _told_by_reference(name):
            filesystem, place = self._place(name)
            return bytes(filesystem.cat_file(place, start=start, end=end, **kwargs))

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,  # noqa: ARG002, FBT001, FBT002 - fsspec's own signature
        cache_options: Any = None,
        **kwargs: Any,
    ) -> Any:
        if set(mode) & set("wax+"):
            self._refuse(path)
        name = self._name(path)
        given = {"block_size": block_size, "cache_options": cache_options, **kwargs}
        with _told_by_reference(name):
            filesystem, place = self._place(name)
            return filesystem.open(place, mode, **{k: v for k, v in given.items() if v is not None})

    def _refuse(self, *paths: Any, **_kwargs: Any) -> NoReturn:
        named = [self._name(path) for path in paths if isinstance(path, str)]
        raise ReadOnlyArtifactError(
            "What was recorded cannot be written through its reference.",
            where=f"{SCHEME}{named[-1]}" if named else None,
            hint="Write to a path, and record it with log_artifact.",
        )

    mkdir = makedirs = rmdir = rm = rm_file = _rm = _refuse
    cp_file = copy = mv = touch = pipe = pipe_file = put = put_file = _refuse

    def _name(self, path: str) -> str:
        return str(self._strip_protocol(path))

    def _place(self, name: str) -> tuple[Any, str]:
        found = _resolved(name)
        filesystem, place = fsspec.core.url_to_fs(found.path)
        return filesystem, place


def _resolved(name: str) -> ResolvedArtifact:
    from nemo_runspec.artifacts.tracking import current_tracking

    if not name:
        raise ArtifactFileNotFoundError(
            "The path names no artifact.",
            where=SCHEME,
            hint="Write art://NAME:VERSION/path; `nemotron artifacts ls` lists the names.",
        )
    return current_tracking().resolve(f"{SCHEME}{_with_version(name)}")


def _with_version(name: str) -> str:
    """Write the version out: NAME/folder/a:b would be read as W&B's full form of a reference."""
    artifact, slash, inside = name.partition("/")
    return f"{artifact}:{LATEST}/{inside}" if slash and artifact and ":" not in artifact else name


@contextmanager
def _told_by_reference(name: str) -> Iterator[None]:
    """Say by its reference what is missing, whichever storage noticed."""
    try:
        yield
    except ArtifactFileNotFoundError:
        raise
    except ArtifactNotFoundError as error:
        raise ArtifactFileNotFoundError(
            error.what, where=f"{SCHEME}{name}", hint=error.hint
        ) from error
    except FileNotFoundError as error:
        raise ArtifactFileNotFoundError(
            "The artifact has no such file.",
            where=f"{SCHEME}{name}",
            hint=f"The storage says: {error}",
        ) from error


def _renamed(entry: dict[str, Any], start: str, name: str) -> str:
    found = str(entry["name"]).rstrip("/")
    return name if found == start else f"{name}/{found.rpartition('/')[2]}"
