"""Embedded package data, as ``importlib.resources`` reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from .contents import Contents


class EmbeddedResources:
    """What ``importlib.resources.files`` starts from."""

    def __init__(self, folder: str, contents: Contents) -> None:
        self.folder = folder
        self.contents = contents

    def files(self) -> EmbeddedPath:
        """Return the package's folder."""
        return EmbeddedPath(self.folder, self.contents)


class EmbeddedPath:
    """A file or folder of an embedded package, as ``importlib.resources`` wants it."""

    def __init__(self, path: str, contents: Contents) -> None:
        self.path = path.rstrip("/")
        self.contents = contents

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    def iterdir(self) -> Iterator[EmbeddedPath]:
        """Yield what lies in the folder."""
        for name in sorted(self.contents.children(f"{self.path}/")):
            yield self / name

    def is_dir(self) -> bool:
        """Whether it is a folder."""
        return bool(self.contents.children(f"{self.path}/"))

    def is_file(self) -> bool:
        """Whether it is a file."""
        return self.path in self.contents.files

    def joinpath(self, *names: str) -> EmbeddedPath:
        """Go down."""
        path = os.path.normpath("/".join([self.path, *map(str, names)]))
        return EmbeddedPath(path, self.contents)

    def __truediv__(self, name: str) -> EmbeddedPath:
        return self.joinpath(name)

    def __str__(self) -> str:
        return self.path

    def __repr__(self) -> str:
        return f"EmbeddedPath({self.path!r})"

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        """Open the file for reading."""
        import io

        stream = io.BytesIO(self.read_bytes())
        return stream if "b" in mode else io.TextIOWrapper(stream, *args, **kwargs)

    def read_bytes(self) -> bytes:
        """Read the file."""
        return self.contents.data(self.path)

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Read the file as text."""
        return str(self.open("r", encoding=encoding, errors=errors).read())
