"""What a record says beside the artifact itself: its lineage, and whether it is a new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.reference import is_explicit_reference
from nemo_runspec.artifacts.revisions import revisions_of
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact
from nemo_runspec.errors import ArtifactNotFoundError
from nemo_runspec.manifest_tracker import Content, Manifest, ManifestTracker
from nemo_runspec.manifest_tracker.content import measure_content
from nemo_runspec.manifest_tracker.recording import recorded_metadata, recorded_path
from nemo_runspec.redaction import redact_values


def lineage_of(
    artifact: Artifact,
    inputs: Mapping[str, str | None],
    pin: Callable[[str], str | None],
    provenance: Mapping[str, Any],
) -> Lineage:
    """Gather what an artifact was made from.

    Args:
        artifact: What is recorded; it may declare inputs of its own.
        inputs: What was resolved and loaded: pinned references, and paths with their revision.
        pin: Pins a reference that the artifact declares; None for what is none or is unknown.
        provenance: Code, configuration, software and host.
    """
    used = {text: None for text in inputs if is_explicit_reference(text)}
    raw = {text: revision for text, revision in inputs.items() if text not in used}
    for uri in artifact.get_input_uris():
        pinned = pin(uri)
        if pinned is None:
            raw.setdefault(_recorded_uri(uri), None)
        else:
            used[pinned] = None
    raw.pop(recorded_path(artifact.path), None)
    declared = artifact.get_input_revisions()
    raw |= {_recorded_uri(uri): revision for uri, revision in declared.items()}
    raw |= revisions_of(uri for uri, revision in raw.items() if revision is None)
    listed = {redact_values(uri): raw[uri] for uri in raw}
    return Lineage(
        inputs=list(listed),
        input_revisions={uri: revision for uri, revision in listed.items() if revision},
        used_artifacts=list(used),
        provenance=redact_values(dict(provenance)),
    )


def find_recorded(
    tracker: ManifestTracker, artifact: Artifact, name: str, lineage: Lineage
) -> LoggedArtifact | None:
    """The latest version of a name, if it records this very artifact.

    Args:
        tracker: The store.
        artifact: What would be recorded.
        name: The name it would be recorded under.
        lineage: What it was made from.
    """
    try:
        version = tracker.latest_version(name)
    except ArtifactNotFoundError:
        return None
    latest = tracker.read(name, version)
    if not _records(latest, artifact, lineage):
        return None
    if not same_content(latest.content, measure_content(artifact)):
        return None
    return LoggedArtifact(
        name,
        version,
        manifest_path=tracker.manifest_location(name, version),
        reused=True,
        created_at=latest.created_at,
        producer=latest.producer,
    )


def same_content(before: Content | None, now: Content | None) -> bool:
    """Compare digests where both were computed, else names, sizes and times."""
    if before is None or now is None:
        return before == now
    if before.links != now.links:
        return False
    if before.digest is not None and now.digest is not None:
        return before.digest == now.digest
    return before.listing == now.listing


def _records(manifest: Manifest, artifact: Artifact, lineage: Lineage) -> bool:
    # A revision that could not be looked up, then or now, tells nothing.
    common = manifest.input_revisions.keys() & lineage.input_revisions.keys()
    return (
        manifest.type == artifact.type
        and manifest.path == recorded_path(artifact.path)
        and manifest.metadata == recorded_metadata(artifact)
        and manifest.inputs == lineage.inputs
        and manifest.used_artifacts == lineage.used_artifacts
        and all(manifest.input_revisions[uri] == lineage.input_revisions[uri] for uri in common)
    )


def _recorded_uri(uri: str) -> str:
    local = local_path(uri)
    return uri if local is None or is_explicit_reference(uri) else str(local.absolute())
