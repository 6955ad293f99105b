"""Resolve a plain path: its ``metadata.json`` feeds the resolver."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.metadata_file import read_metadata
from nemo_runspec.artifacts.paths import as_artifact_path, expand_home, local_path
from nemo_runspec.artifacts.tracker import OWN_DIRECTORY, ResolvedArtifact
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError

_ENABLE_TRACKING = (
    "Turn tracking on with artifacts.manifest.root=FOLDER (or [artifacts.manifest] root in "
    "env.toml), or give a path instead of a name."
)


def resolve_path(text: str) -> ResolvedArtifact:
    """Describe what lies at a path, with no tracking involved.

    Args:
        text: A local path or a URI.

    Raises:
        ArtifactNotFoundError: The local path does not exist.
        ArtifactError: Its ``metadata.json`` is damaged.
    """
    local = local_path(text)
    if local is not None:
        local = expand_home(local).absolute()
        if not _exists(local):
            raise ArtifactNotFoundError(
                "The path does not exist.",
                where=str(local),
                hint="Correct the path, or make first what it shall hold.",
            )
    place = as_artifact_path(text) if local is None else local
    document = read_metadata(place) or {}
    return ResolvedArtifact(
        name=None,
        version=None,
        type=str(document.get("type", "Artifact")),
        kind=str(document.get("kind", "dataset")),
        path=str(place),
        document={**document, **_own_directory(document, str(place)), "path": str(place)},
        where=str(place),
    )


def _own_directory(document: Mapping[str, Any], place: str) -> dict[str, str]:
    """Where a checkpoint's own step lies, in a folder that was moved, or is mounted elsewhere."""
    own, recorded = document.get(OWN_DIRECTORY), document.get("path")
    if not isinstance(own, str) or not isinstance(recorded, str):
        return {}
    if own == recorded:
        return {OWN_DIRECTORY: place}
    inside = own.removeprefix(f"{recorded.rstrip('/')}/")
    return {} if inside == own else {OWN_DIRECTORY: f"{place.rstrip('/')}/{inside}"}


def resolve_untracked(text: str) -> ResolvedArtifact:
    """Describe what lies at a path that may look like a name, where no tracking is active.

    Raises:
        ArtifactError: There is no such path: it is a name, and tracking is off.
    """
    if Path(text).exists():
        return resolve_path(text)
    raise ArtifactError(
        f"{text!r} is an artifact reference, but artifact tracking is off.", hint=_ENABLE_TRACKING
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise ArtifactError(
            f"The path cannot be read: {error.strerror}.",
            where=str(path),
            hint="Check its spelling, and that you may read it.",
        ) from error
