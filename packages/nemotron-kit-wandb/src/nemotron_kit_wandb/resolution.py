"""Find what a reference means in W&B, and read its metadata without its data."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.errors import ArtifactError
from nemotron_kit_wandb.pages import artifact_page
from nemotron_kit_wandb.records import METADATA_FILE, OWN_SECTION

if TYPE_CHECKING:
    from wandb import Artifact

logger = logging.getLogger(__name__)

_PATH_KEYS = ("path", "absolute_path")


def describe(found: Artifact, reference: ArtifactReference) -> ResolvedArtifact:
    """Say what a version is, by its metadata; no other file of it is downloaded.

    Args:
        found: The version.
        reference: What it was looked up by: its owner, if any, stays part of its reference.

    Raises:
        ArtifactError: Nothing says where its data lies.
    """
    name = found.name.partition(":")[0]
    version = int(found.version.removeprefix("v"))
    owner = f"{found.entity}/{found.project}"
    document = _document(found)
    path = _path(document, found)
    known = {"path": path, "name": name, "version": version, "kind": found.type}
    return ResolvedArtifact(
        name=name,
        version=version,
        type=str(document.get("type", "Artifact")),
        kind=found.type,
        path=path,
        document={**document, **known},
        where=_page(found),
        # By its number: an alias would move on.
        qualified_name=f"{owner}/{name}:v{version}",
        owner=None if reference.owner is None else owner,
    )


def _document(found: Artifact) -> dict[str, Any]:
    """What its metadata.json says, over what its page says."""
    page: Mapping[str, Any] = found.metadata or {}
    whole = {**page, **_metadata_file(found)}
    whole.pop(OWN_SECTION, None)
    return whole


def _metadata_file(found: Artifact) -> dict[str, Any]:
    known = found.manifest.entries.get(METADATA_FILE)
    if known is None or known.ref is not None:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        # The artifact's own download() leaves it to threads that the process's end waits for.
        found.get_entry(METADATA_FILE).download(root=folder, skip_cache=True)
        content = (Path(folder) / METADATA_FILE).read_bytes()
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        logger.warning("The metadata.json of %s is no JSON: %s", found.qualified_name, error)
        return {}
    return document if isinstance(document, dict) else {}


def _path(document: Mapping[str, Any], found: Artifact) -> str:
    for key in _PATH_KEYS:
        if isinstance(document.get(key), str) and document[key]:
            return str(document[key])
    referred = _common_place([entry.ref for entry in found.manifest.entries.values() if entry.ref])
    if referred is None:
        base = found.name.partition(":")[0]
        name = f"{found.entity}/{found.project}/{base}:{found.version}"
        raise ArtifactError(
            f"Nothing says where the data of {name} lies.",
            where=_page(found),
            hint=f"Download it with `wandb artifact get {name}`, and give the path in its place.",
        )
    return referred


def _page(found: Artifact) -> str:
    name = found.name.partition(":")[0]
    return artifact_page(f"{found.entity}/{found.project}", found.type, name, found.version)


def _common_place(uris: list[str]) -> str | None:
    """The folder that all references lie in; the one place that a single one names."""
    if not uris:
        return None
    places = [local_path(uri) for uri in uris]
    if None not in places:
        return os.path.commonpath([str(place) for place in places])
    return uris[0] if len(uris) == 1 else None
