"""The manifest: the record of one version of an artifact.

Format 0 is the form without ``format_version`` that the first documents show; format 1 adds
``kind``, ``fields``, ``input_revisions``, ``provenance``, ``content`` and ``claim_id``. Every
older format stays readable for ever.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nemo_runspec.errors import ManifestFormatError
from nemo_runspec.json_values import json_text

FORMAT_VERSION = 1

_PUBLISHED_KINDS = {"ModelArtifact": "model"}


class LinkedFile(BaseModel):
    """What a link led to.

    Attributes:
        bytes: The size of the file.
        modified_ns: When it was written, in nanoseconds since 1970.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    bytes: int
    modified_ns: int


class FileRecord(BaseModel):
    """One file of what lies at the artifact's path.

    Attributes:
        bytes: Its size.
        modified_ns: When it was written, in nanoseconds since 1970.
        digest: ``sha256:…`` of its bytes, where they were read.
        target: What it led to, where it was a link to a file.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    bytes: int
    modified_ns: int
    digest: str | None = None
    target: LinkedFile | None = None


class Content(BaseModel):
    """What lies at the artifact's path.

    Attributes:
        bytes: Size of all files.
        files: How many there are.
        digest: ``sha256:…`` over names, sizes and bytes, where they were read.
        listing: ``sha256:…`` over names, sizes and modification times.
        links: ``sha256:…`` over names, sizes and times of what links led to; None without any.
        path: What was measured, where that is not the artifact's own path.
        entries: Each file by its path below that; None where there are very many.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    bytes: int
    files: int
    digest: str | None = None
    listing: str | None = None
    links: str | None = None
    path: str | None = None
    entries: dict[str, FileRecord] | None = None


class Manifest(BaseModel):
    """One version of an artifact.

    Attributes:
        format_version: The format it was written in.
        name: The artifact's name.
        version: Its number, from 1.
        type: The artifact's class.
        kind: ``dataset`` or ``model``.
        path: Where the data lies: a path or URI.
        created_at: When it was recorded, with its time zone.
        producer: The job that made it; None where that is not known.
        metadata: Typed fields and free-form values in one flat mapping.
        fields: The typed fields alone.
        inputs: URIs of raw inputs.
        input_revisions: The revision of each raw input that has one.
        used_artifacts: Pinned references (``name:v2``) of the artifacts it was made from.
        provenance: Code, configuration, software and host.
        content: Size of what lies at ``path``; None where nobody looked.
        claim_id: A random id by which a writer knows its own claim again.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    format_version: int = 0
    name: str
    version: int = Field(ge=0)
    type: str
    kind: Literal["dataset", "model"] = "dataset"
    path: str
    created_at: datetime
    producer: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    fields: dict[str, Any] | None = None
    inputs: list[str] = Field(default_factory=list)
    input_revisions: dict[str, str] = Field(default_factory=dict)
    used_artifacts: list[str] = Field(default_factory=list)
    provenance: dict[str, Any] = Field(default_factory=dict)
    content: Content | None = None
    claim_id: str | None = None

    @property
    def ref(self) -> str:
        """The pinned reference, ``name:v2``."""
        return f"{self.name}:v{self.version}"

    def document(self) -> dict[str, Any]:
        """The artifact's flat dump: what its ``metadata.json`` holds."""
        core = {
            "path": self.path,
            "type": self.type,
            "kind": self.kind,
            "name": self.name,
            "version": self.version,
            "created_at": self.created_at.isoformat(),
            "producer": self.producer,
        }
        typed = self.metadata if self.fields is None else self.fields
        free = {key: value for key, value in self.metadata.items() if key not in typed}
        return {**free, **typed, **core, "metadata": free}

    def to_json(self) -> bytes:
        """The manifest as its file holds it."""
        document = self.model_dump(mode="json")
        document["created_at"] = self.created_at.isoformat()
        return json_text(document)


def parse_manifest(data: bytes, *, where: str) -> Manifest:
    """Read a manifest of this or any older format.

    Args:
        data: The file's content.
        where: The file, for messages.

    Raises:
        ManifestFormatError: It is damaged, incomplete or of a newer format.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ManifestFormatError(
            f"The manifest is damaged: {error}.",
            where=where,
            hint="Restore the file from a backup, or use another version.",
        ) from error
    if not isinstance(document, dict):
        raise ManifestFormatError("The manifest is no JSON object.", where=where)
    _check_format(document.get("format_version", 0), where)
    if "kind" not in document:
        document["kind"] = _PUBLISHED_KINDS.get(str(document.get("type")), "dataset")
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        problem = error.errors()[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise ManifestFormatError(
            f"The manifest's {key!r} is unusable: {problem['msg']}.",
            where=where,
            hint="Restore the file from a backup, or use another version.",
        ) from error


def _check_format(found: Any, where: str) -> None:
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ManifestFormatError(f"The manifest's format_version is {found!r}.", where=where)
    if found > FORMAT_VERSION:
        raise ManifestFormatError(
            f"The manifest has format {found}; this release reads formats up to {FORMAT_VERSION}.",
            where=where,
            hint="Upgrade with: pip install -U nemo-runspec",
        )
