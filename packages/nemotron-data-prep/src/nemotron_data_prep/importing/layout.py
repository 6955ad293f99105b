"""The folder that an import is given, and the file that says what lies in it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_runspec.errors import DataError, UsageError
from nemo_runspec.importing import existing_place, read_json

BLEND_FILE = "blend.json"
MANIFEST_FILE = "manifest.json"


@dataclass(frozen=True, slots=True)
class Layout:
    """Data that describes itself.

    Attributes:
        folder: The artifact's folder.
        file: The file in it that names the rest.
        document: That file's content.
    """

    folder: Path
    file: Path
    document: dict[str, Any]

    def key(self, *parts: str) -> str:
        """Name a key of the file, for messages."""
        return f"{self.file}: {'.'.join(parts)}"

    def outside(self, places: Iterable[str | Path]) -> tuple[str, ...]:
        """Those of some absolute places that lie outside the folder, each once, sorted."""
        named = {os.path.normpath(place) for place in places}
        return tuple(sorted(each for each in named if not Path(each).is_relative_to(self.folder)))


def open_layout(given: str | Path, file_name: str) -> Layout:
    """Find the data that a path means.

    Args:
        given: The folder, or the file in it that names the rest.
        file_name: That file's name.

    Raises:
        UsageError: The path is another file.
        ArtifactError: The path does not exist, or the file is no JSON object.
        DataError: The folder lacks the file.
    """
    place = existing_place(given)
    if not place.is_dir():
        if place.name != file_name:
            raise UsageError(
                f"An import takes a folder or its {file_name}, not {place.name!r}.",
                where=str(place),
                hint=f"Give {place.parent}.",
            )
        return Layout(place.parent, place, read_json(place))
    file = place / file_name
    if not file.is_file():
        raise DataError(
            f"The folder has no {file_name}.",
            where=str(place),
            hint=f"Give the folder that holds {file_name}, or write one that names the files.",
        )
    return Layout(place, file, read_json(file))


@contextmanager
def readable(given: str | Path) -> Iterator[None]:
    """Turn an error of the file system into one that names the file.

    Args:
        given: What is named where the error does not say which file it was.

    Raises:
        DataError: Something in the block could not be read.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"It cannot be read: {error.strerror or error}.",
            where=str(error.filename or given),
            hint="Check the path, and that you may read it.",
        ) from error
