"""What a preparation or a training job recorded beside its output, in ``metadata.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.metadata_file import METADATA_FILE, read_metadata
from nemo_runspec.artifacts.reference import is_explicit_reference
from nemo_runspec.errors import ArtifactError
from nemo_runspec.importing.description import IMPORTED

_SOURCES = "source_datasets"


@dataclass(frozen=True)
class Recorded:
    """The record beside the data; empty where there is none.

    Attributes:
        file: The ``metadata.json``.
        document: Its content.
    """

    file: Path
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> str | None:
        """The version that the record speaks of, ``name:v2``."""
        name, version = self.document.get("name"), self.document.get("version")
        return f"{name}:v{version}" if name and version is not None else None

    def get(self, key: str) -> Any:
        """One recorded value; None where there is none."""
        return self.document.get(key)

    def check(self, measured: Mapping[str, Any]) -> None:
        """Compare the record with what the files hold.

        Args:
            measured: Field to value; None where the files do not tell.

        Raises:
            ArtifactError: They differ: the files changed after they were recorded.
        """
        for key, value in measured.items():
            told = self.document.get(key)
            if value is None or told is None or told == value:
                continue
            raise ArtifactError(
                f"The record says {key} {told!r}, and the files hold {value!r}.",
                where=f"{self.file}: {key}",
                hint="Prepare the data again; or remove the record, if the files are right.",
            )

    def describe(self, fields: Mapping[str, Any], descriptive: tuple[str, ...]) -> dict[str, Any]:
        """Join what was measured with what only the record can tell.

        Args:
            fields: What was measured; it wins where it is not None.
            descriptive: The fields to take over.

        Returns:
            The flat document of an artifact that was imported.
        """
        told = {key: self.document[key] for key in descriptive if self.document.get(key)}
        if _SOURCES in told:
            told[_SOURCES] = _raw_sources(told[_SOURCES])
        free = self.document.get("metadata")
        free = dict(free) if isinstance(free, Mapping) else {}
        known = {key: value for key, value in fields.items() if value is not None}
        return {**told, **known, "metadata": {**free, IMPORTED: True}}


def read_recorded(folder: Path, type_name: str) -> Recorded:
    """Read the record of a folder.

    A ``metadata.json`` of another software, of another type, or of an earlier import (which knew
    no more than the files tell) counts as none.

    Args:
        folder: The artifact's folder.
        type_name: The artifact type that is expected.

    Raises:
        ArtifactError: The file cannot be read, or is no JSON object.
    """
    file = folder / METADATA_FILE
    document = read_metadata(folder) or {}
    ours = document.get("type") == type_name and not document.get(IMPORTED)
    return Recorded(file, document if ours else {})


def _raw_sources(sources: Any) -> Any:
    """Leave artifacts out of the sources: an imported artifact starts a chain."""
    if not isinstance(sources, list):
        return sources
    return [
        source
        for source in sources
        if not (isinstance(source, Mapping) and is_explicit_reference(str(source.get("uri"))))
    ]
