"""Record an imported artifact: it starts a lineage chain, and its provenance says where it was."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.metadata_file import METADATA_FILE, read_metadata
from nemo_runspec.artifacts.opening import open_manifests, open_wandb
from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.reference import check_artifact_name
from nemo_runspec.artifacts.revisions import revisions_of
from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemo_runspec.artifacts.settings import TrackingSettings
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact
from nemo_runspec.errors import NemotronError
from nemo_runspec.importing.description import IMPORTED, Description
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.provenance import collect_software
from nemo_runspec.redaction import redact_values

logger = logging.getLogger(__name__)


def record_import(
    description: Description, *, source: Path, name: str, settings: TrackingSettings
) -> LoggedArtifact:
    """Record an imported artifact, unless the latest version of its name is the same already.

    What it names outside its own folder is recorded among its raw inputs.

    ``metadata.json`` is written beside the data where that is writable and no preparation or
    training job has left its own.

    Args:
        description: What was found.
        source: The path that was given.
        name: The name to record under.
        settings: The backends to record in.

    Raises:
        InvalidReferenceError: The name is no artifact name.
        StoreError: The manifest could not be written; no half version is left.
    """
    check_artifact_name(name)
    artifact = description.artifact
    tracking = _open(settings, source)
    lineage = _with_inputs(tracking.lineage_of(artifact), description.outside)
    reused = tracking.find_recorded(artifact, name, lineage)
    if reused is not None:
        return reused
    logged = tracking.record(artifact, name, lineage)
    _write_metadata(artifact, logged)
    return logged


def known_version(reference: str | None, place: Path, settings: TrackingSettings) -> str | None:
    """Ask the store whether a version that a record names lies at a place.

    Args:
        reference: The pinned reference; None asks nothing.
        place: The artifact's folder.
        settings: The backends.

    Returns:
        The reference, where the store agrees.
    """
    if reference is None or settings.root is None:
        return None
    try:
        manifests = ManifestTracker(settings.root, single_writer=settings.single_writer)
        resolved = manifests.resolve(reference)
    except NemotronError as error:
        logger.debug("%s is not in this store: %s", reference, error)
        return None
    return reference if local_path(resolved.path) == place else None


def _with_inputs(lineage: Lineage, outside: Sequence[str]) -> Lineage:
    known = revisions_of(outside)
    revisions = {redact_values(place): revision for place, revision in known.items()}
    inputs = dict.fromkeys([*lineage.inputs, *redact_values(list(outside))])
    return replace(
        lineage, inputs=list(inputs), input_revisions={**revisions, **lineage.input_revisions}
    )


def _open(settings: TrackingSettings, source: Path) -> ArtifactTrackingResult:
    return ArtifactTrackingResult(
        settings,
        manifest_tracker=open_manifests(settings),
        wandb_tracker=open_wandb(settings),
        provenance=_provenance(source),
    )


def _provenance(source: Path) -> dict[str, Any]:
    # The commit of a folder that one happens to stand in made nothing of what is imported.
    at = datetime.now().astimezone().replace(microsecond=0)
    return {IMPORTED: {"from": str(source), "at": at.isoformat()}, **collect_software()}


def _write_metadata(artifact: Artifact, logged: LoggedArtifact) -> None:
    folder = local_path(artifact.path)
    if folder is None:
        return
    if (folder / METADATA_FILE).exists() and not (read_metadata(folder) or {}).get(IMPORTED):
        return
    artifact.name, artifact.version = logged.name, logged.version
    artifact.created_at, artifact.producer = logged.created_at, logged.producer
    artifact.write_metadata()
