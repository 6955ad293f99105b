"""What of an artifact goes into its manifest."""

from __future__ import annotations

import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.paths import RemotePath
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact
from nemo_runspec.json_values import json_value
from nemo_runspec.manifest_tracker.content import measure_content
from nemo_runspec.manifest_tracker.schema import FORMAT_VERSION, Manifest
from nemo_runspec.provenance import producer_id
from nemo_runspec.redaction import redact_values


def draft_manifest(artifact: Artifact, name: str, lineage: Lineage) -> Manifest:
    """Make an artifact's manifest, complete but for its version.

    Args:
        artifact: What to record.
        name: The name to record it under.
        lineage: What it was made from.
    """
    metadata = recorded_metadata(artifact)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=name,
        version=0,
        type=artifact.type,
        kind=artifact.kind,
        path=recorded_path(artifact.path),
        created_at=now(),
        producer=artifact.producer or producer_id(),
        metadata=metadata,
        fields={key: metadata[key] for key in artifact.typed_fields()},
        inputs=lineage.inputs,
        input_revisions=lineage.input_revisions,
        used_artifacts=lineage.used_artifacts,
        provenance=lineage.provenance,
        content=measure_content(artifact),
        claim_id=uuid.uuid4().hex,
    )


def now() -> datetime:
    """This moment to the second, with its time zone."""
    return datetime.now().astimezone().replace(microsecond=0)


def receipt_of(manifest: Manifest, location: str) -> LoggedArtifact:
    """What whoever recorded an artifact gets back."""
    return LoggedArtifact(
        manifest.name,
        manifest.version,
        manifest_path=location,
        created_at=manifest.created_at,
        producer=manifest.producer,
    )


def recorded_path(path: Path | RemotePath) -> str:
    """An artifact's path as manifests hold it: a URI to the letter, a local path absolute."""
    place: str = redact_values(str(path.absolute()) if isinstance(path, Path) else str(path))
    return place


def recorded_metadata(artifact: Artifact) -> dict[str, Any]:
    """An artifact's free-form values and typed fields as manifests hold them."""
    flat: dict[str, Any] = redact_values(json_value(artifact.metadata) | artifact.typed_fields())
    return flat
