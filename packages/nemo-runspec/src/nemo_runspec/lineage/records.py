"""What a lineage needs to know of one version, apart from the rest of its manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Self

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.errors import InvalidReferenceError
from nemo_runspec.manifest_tracker import Manifest


@dataclass(frozen=True)
class RawInput:
    """Data that no artifact describes.

    Attributes:
        uri: Where it was read.
        revision: ``sha256:…``, a commit or an ETag; None where none was recorded.
    """

    uri: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """One version of an artifact.

    Attributes:
        name: The artifact's name.
        version: Its number.
        type: Its class.
        kind: ``dataset`` or ``model``.
        path: Where the data lies.
        created_at: When it was recorded, in ISO format.
        producer: The job that made it; None where that is not known.
        used: The artifacts it was made from, each once, see :func:`plain_reference`.
        raw: The raw data it was made from, each once.
        imported: Where it was imported from; None where it was made.
        claim_id: The random id of the manifest.
    """

    name: str
    version: int
    type: str
    kind: str
    path: str
    created_at: str
    producer: str | None
    used: tuple[str, ...]
    raw: tuple[tuple[str, str | None], ...]
    imported: str | None
    claim_id: str | None

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        """Take the record out of a manifest."""
        revisions = manifest.input_revisions
        return cls(
            name=manifest.name,
            version=manifest.version,
            type=manifest.type,
            kind=manifest.kind,
            path=manifest.path,
            created_at=manifest.created_at.isoformat(),
            producer=manifest.producer,
            used=tuple(unique(plain_reference(text) for text in manifest.used_artifacts)),
            raw=tuple((uri, revisions.get(uri)) for uri in unique(manifest.inputs)),
            imported=imported_from(manifest.provenance),
            claim_id=manifest.claim_id,
        )

    @classmethod
    def from_values(cls, values: list[Any]) -> Self:
        """Make the record again that :meth:`values` gave."""
        name, version, kind_of, kind, path, created_at, producer, used, raw, *rest = values
        imported, claim_id = rest
        return cls(
            name=name,
            version=version,
            type=kind_of,
            kind=kind,
            path=path,
            created_at=created_at,
            producer=producer,
            used=tuple(used),
            raw=tuple((uri, revision) for uri, revision in raw),
            imported=imported,
            claim_id=claim_id,
        )

    def values(self) -> tuple[Any, ...]:
        """The record as JSON values, in the order of its fields."""
        return astuple(self)

    @property
    def ref(self) -> str:
        """The pinned reference, ``name:v2``."""
        return f"{self.name}:v{self.version}"

    @property
    def raw_inputs(self) -> list[RawInput]:
        """The raw data it was made from."""
        return [RawInput(uri, revision) for uri, revision in self.raw]


def unique(items: Iterable[str]) -> list[str]:
    """Keep the first of equal items, in order."""
    return list(dict.fromkeys(items))


def plain_reference(text: str) -> str:
    """Spell a reference the one way that graphs know it by, ``name:v2``.

    Args:
        text: Any spelling; what is no reference is returned as it is.
    """
    try:
        reference = ArtifactReference.parse(text)
    except InvalidReferenceError:
        return text
    owner = "" if reference.owner is None else f"{reference.owner}/"
    return f"{owner}{reference.name}:{reference.selector}"


def imported_from(provenance: Mapping[str, Any]) -> str | None:
    """Where an artifact was imported from; None where it was made."""
    imported = provenance.get("imported")
    if not imported:
        return None
    source = imported.get("from") if isinstance(imported, Mapping) else imported
    return str(source)
