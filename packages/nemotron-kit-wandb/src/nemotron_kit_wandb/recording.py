"""Make the record of an artifact: what W&B gets to know of it, gathered without asking W&B."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.reference import check_alias, check_artifact_name
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.container_paths import resolve_host_path
from nemo_runspec.errors import ArtifactError
from nemo_runspec.manifest_tracker.recording import now, recorded_path
from nemo_runspec.provenance import producer_id
from nemo_runspec.redaction import redact_values
from nemotron_kit_wandb.destination import Destination, manifest_alias
from nemotron_kit_wandb.records import (
    DEFAULT_PROJECT,
    METADATA_FILE,
    OWN_SECTION,
    RecordedArtifact,
    RunIdentity,
    WandbRecord,
)

logger = logging.getLogger(__name__)

LARGEST_FILE_BYTES = 64 * 1024 * 1024


def make_record(
    artifact: Artifact,
    *,
    name: str,
    lineage: Lineage,
    destination: Destination,
    run: RunIdentity | None,
) -> WandbRecord:
    """Describe a new version of an artifact for W&B, as the only backend.

    Args:
        artifact: What to record.
        name: The name to record it under.
        lineage: What it was made from.
        destination: Where bare names are looked up.
        run: The run that makes it; None for one of its own.

    Raises:
        InvalidReferenceError: The name is no artifact name.
        ArtifactError: A file to upload is not there, or two entries have one name.
    """
    return _record(artifact, name, lineage, destination, run, manifest=None)


def make_manifest_record(
    artifact: Artifact,
    *,
    name: str,
    lineage: Lineage,
    destination: Destination,
    run: RunIdentity | None,
) -> WandbRecord:
    """Describe for W&B a version that the manifest store has recorded already.

    Args:
        artifact: What was recorded; its version is that of the manifest.
        name: The name that it was recorded under.
        lineage: What it was made from; bare references are the manifest store's.
        destination: Where bare names are looked up.
        run: The run that makes it; None for one of its own.

    Raises:
        ArtifactError: A file to upload is not there, or two entries have one name.
    """
    manifest = f"{name}:v{artifact.version}"
    return _record(artifact, name, lineage, destination, run, manifest=manifest)


def _record(
    artifact: Artifact,
    name: str,
    lineage: Lineage,
    destination: Destination,
    run: RunIdentity | None,
    *,
    manifest: str | None,
) -> WandbRecord:
    check_artifact_name(name)
    record_id = uuid.uuid4().hex
    files, too_large = _files(artifact)
    references = [*_references(artifact.get_wandb_references()), *too_large]
    _refuse_twice([entry for _, entry in (*files, *references)], name)
    recorded = RecordedArtifact(
        name=name,
        kind=artifact.kind,
        type=artifact.type,
        document=_document(artifact, name, lineage, manifest, record_id),
        files=tuple(files),
        references=tuple(references),
        manifest=manifest,
    )
    aliases = [] if manifest is None else [manifest_alias(manifest.rpartition(":")[2])]
    given = (*artifact.get_wandb_aliases(), *artifact.wanted_aliases)
    aliases += [check_alias(alias) for alias in given]
    project = destination.project if run is None else run.project
    return WandbRecord(
        run=run,
        project=project or DEFAULT_PROJECT,
        entity=destination.entity if run is None else run.entity,
        artifact=recorded,
        aliases=tuple(dict.fromkeys(aliases)),
        used=tuple(_full_names(lineage.used_artifacts, destination, manifest)),
        id=record_id,
    )


def _full_names(
    references: Iterable[str], destination: Destination, manifest: str | None
) -> Iterable[str]:
    if manifest is not None:
        return map(destination.edge_name, references)
    return map(destination.pinned_name, references)


def _document(
    artifact: Artifact, name: str, lineage: Lineage, manifest: str | None, record_id: str
) -> dict[str, Any]:
    created_at = artifact.created_at or now()
    core = {
        "name": name,
        "type": artifact.type,
        "kind": artifact.kind,
        "path": host_place(recorded_path(artifact.path)),
        "created_at": created_at.isoformat(),
        "producer": artifact.producer or producer_id(),
    }
    own = {
        "record": record_id,
        "manifest": manifest,
        "inputs": lineage.inputs,
        "input_revisions": lineage.input_revisions,
        "used_artifacts": lineage.used_artifacts,
        "provenance": lineage.provenance,
    }
    # Core fields stand first: W&B's page shows a limited number.
    whole = {**core, **artifact.to_metadata(), **core, OWN_SECTION: own}
    if manifest is None:
        del whole["version"]
    documented: dict[str, Any] = redact_values(whole)
    return documented


def host_place(place: str) -> str:
    """A path or URI as every job sees it, where a container has a name of its own for it."""
    local = local_path(place)
    if local is None:
        return place
    host = str(resolve_host_path(local))
    return f"file://{host}" if place.startswith("file://") else host


def _references(given: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    found = []
    for uri, entry in given:
        place = uri if "://" in uri else f"file://{Path(uri).absolute()}"
        found.append((host_place(redact_values(place)), entry or "data"))
    return found


def _files(artifact: Artifact) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """The files to upload, and those too large for it, as references."""
    small: list[tuple[str, str]] = []
    large: list[tuple[str, str]] = []
    for given, entry in artifact.get_wandb_files():
        if entry == METADATA_FILE:
            continue  # W&B gets the one that belongs to this version
        path = Path(given).absolute()
        size_bytes = _size_bytes(path)
        if size_bytes <= LARGEST_FILE_BYTES:
            small.append((str(path), entry))
            continue
        logger.warning(
            "%s has %d bytes: W&B refers to it, and gets no copy. "
            "Name it in get_wandb_references() instead of get_wandb_files().",
            path,
            size_bytes,
        )
        large.append((host_place(f"file://{path}"), entry))
    return small, large


def _size_bytes(path: Path) -> int:
    try:
        if not path.is_dir():
            return path.stat().st_size
    except OSError as error:
        raise ArtifactError(
            f"A file for W&B cannot be read: {error.strerror}.",
            where=str(path),
            hint="get_wandb_files() names it: let it name files that exist.",
        ) from error
    raise ArtifactError(
        "A folder cannot be uploaded to W&B.",
        where=str(path),
        hint="Name its files in get_wandb_files(), or the folder in get_wandb_references().",
    )


def _refuse_twice(entries: list[str], name: str) -> None:
    taken = [METADATA_FILE]
    for entry in entries:
        if entry in taken:
            raise ArtifactError(
                f"Two files or references of {name} are both called {entry!r}.",
                where="get_wandb_files(), get_wandb_references()",
                hint="Give each a name of its own.",
            )
        taken.append(entry)
