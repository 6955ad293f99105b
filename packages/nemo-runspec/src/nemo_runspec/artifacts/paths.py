"""Where an artifact lies: a local path, or a URI that is never mangled."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic_core import core_schema

from nemo_runspec.errors import ArtifactError

_SCHEME_SEPARATOR = "://"
_FILE_SCHEME = "file://"
_THIS_HOST = "localhost/"


class RemotePath:
    """A URI that can be walked like a path: ``RemotePath("s3://bucket/x") / "blend.json"``.

    Args:
        uri: The full URI. It is kept to the letter.
    """

    __slots__ = ("_uri",)

    def __init__(self, uri: str | RemotePath) -> None:
        text = str(uri)
        if _SCHEME_SEPARATOR not in text:
            raise ValueError(f"{text!r} is no URI: it has no scheme such as s3://")
        self._uri = text

    def __str__(self) -> str:
        return self._uri

    def __repr__(self) -> str:
        return f"RemotePath({self._uri!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and other._uri == self._uri

    def __hash__(self) -> int:
        return hash(self._uri)

    def __truediv__(self, part: str | os.PathLike[str]) -> RemotePath:
        return RemotePath(f"{self._uri.rstrip('/')}/{os.fspath(part)}")

    @property
    def name(self) -> str:
        """The last part of the URI's path."""
        path = self._uri.partition(_SCHEME_SEPARATOR)[2].rstrip("/")
        return path.rpartition("/")[2] if "/" in path else ""

    @property
    def parent(self) -> RemotePath:
        """The URI without its last part; a bucket is its own parent."""
        scheme, _, rest = self._uri.partition(_SCHEME_SEPARATOR)
        head, slash, _ = rest.rstrip("/").rpartition("/")
        return RemotePath(f"{scheme}{_SCHEME_SEPARATOR}{head}") if slash else self

    def exists(self) -> bool:
        """Ask the storage whether something is there."""
        import fsspec

        filesystem, path = fsspec.core.url_to_fs(self._uri)
        return bool(filesystem.exists(path))

    def resolve(self) -> RemotePath:
        """A URI is absolute already."""
        return self

    def is_dir(self) -> bool:
        """Ask the storage whether this is a folder."""
        import fsspec

        filesystem, path = fsspec.core.url_to_fs(self._uri)
        return bool(filesystem.isdir(path))

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def _validate(cls, value: Any) -> RemotePath:
        if isinstance(value, RemotePath):
            return value
        if isinstance(value, str) and is_uri(value):
            return cls(value)
        raise ValueError("no URI")


def is_uri(text: str) -> bool:
    """Tell a URI (``s3://…``) from a local path; ``file://`` counts as a URI."""
    scheme, separator, _ = text.partition(_SCHEME_SEPARATOR)
    return bool(separator) and scheme.replace("+", "").replace("-", "").replace(".", "").isalnum()


def local_path(uri_or_path: str | Path | RemotePath) -> Path | None:
    """The local path that a text means, or None where it lies on remote storage."""
    text = str(uri_or_path)
    if text.startswith(_FILE_SCHEME):
        # As fsspec reads it: nothing is decoded, and '#' and '?' are letters of the path.
        rest = text.removeprefix(_FILE_SCHEME)
        return Path(f"/{rest.removeprefix(_THIS_HOST)}" if rest.startswith(_THIS_HOST) else rest)
    return None if is_uri(text) else Path(text)


def same_place(first: str, second: str) -> bool:
    """Tell whether two paths or URIs mean the same, by way of links where they are local."""
    if first == second:
        return True
    places = local_path(first), local_path(second)
    return None not in places and os.path.realpath(str(places[0])) == os.path.realpath(
        str(places[1])
    )


def expand_home(path: Path) -> Path:
    """Replace a leading ``~`` by the home folder that it stands for.

    Raises:
        ArtifactError: It names a user who does not exist.
    """
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ArtifactError(
            "The home folder is not known.", where=str(path), hint="Write the path in full."
        ) from error


def as_artifact_path(value: str | os.PathLike[str] | RemotePath) -> Path | RemotePath:
    """Keep a URI as it is and make anything else a :class:`~pathlib.Path`."""
    if isinstance(value, RemotePath):
        return value
    if isinstance(value, str) and is_uri(value):
        return RemotePath(value)
    return Path(value)
