"""What made an artifact: its inputs, their inputs, down to the raw data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.errors import ArtifactNotFoundError, ManifestFormatError
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker

_DEEPEST = 200


@dataclass(frozen=True)
class RawInput:
    """Data that no artifact describes.

    Attributes:
        uri: Where it was read.
        revision: ``sha256:…``, a commit or an ETag; None where none was recorded.
    """

    uri: str
    revision: str | None = None


@dataclass(frozen=True)
class LineageNode:
    """An artifact and everything that it was made from.

    Attributes:
        ref: The pinned reference.
        manifest: Its record; None where that is gone or unreadable.
        problem: Why there is no record, or why the walk stops here.
        raw_inputs: The raw data it was made from.
        used: The artifacts it was made from.
    """

    ref: str
    manifest: Manifest | None = None
    problem: str | None = None
    raw_inputs: list[RawInput] = field(default_factory=list)
    used: list[LineageNode] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The tree as JSON values."""
        manifest = self.manifest
        return {
            "ref": self.ref,
            "type": manifest.type if manifest else None,
            "path": manifest.path if manifest else None,
            "created_at": manifest.created_at.isoformat() if manifest else None,
            "producer": manifest.producer if manifest else None,
            "problem": self.problem,
            "inputs": [{"uri": raw.uri, "revision": raw.revision} for raw in self.raw_inputs],
            "used_artifacts": [node.to_dict() for node in self.used],
        }

    def walk(self) -> Iterator[LineageNode]:
        """This node and all below it, each once, before its inputs."""
        seen: set[int] = set()
        ahead: list[LineageNode] = [self]
        while ahead:
            node = ahead.pop()
            if id(node) in seen:
                continue
            seen.add(id(node))
            yield node
            ahead.extend(reversed(node.used))


def trace_lineage(tracker: ManifestTracker, reference: str) -> LineageNode:
    """Follow an artifact's inputs back to the raw data.

    Args:
        tracker: The store.
        reference: Where to start.

    Raises:
        ArtifactNotFoundError: The reference means nothing.
        ManifestFormatError: Its own manifest cannot be read; one further back becomes a node
            with a problem.
    """
    resolved = tracker.resolve(ArtifactReference.parse(reference))
    return _Walk(tracker).node(str(resolved.ref), ())


class _Walk:
    def __init__(self, tracker: ManifestTracker) -> None:
        self._tracker = tracker
        self._known: dict[str, LineageNode] = {}

    def node(self, ref: str, below: tuple[str, ...]) -> LineageNode:
        if ref in below:
            return LineageNode(ref, problem="the lineage goes in a circle")
        if len(below) >= _DEEPEST and ref not in self._known:
            return LineageNode(ref, problem=f"more than {_DEEPEST} steps back: trace it from here")
        if ref not in self._known:
            self._known[ref] = self._read(ref, (*below, ref))
        return self._known[ref]

    def _read(self, ref: str, path: tuple[str, ...]) -> LineageNode:
        reference = ArtifactReference.parse(ref)
        try:
            version = self._tracker.find_version(reference)
            manifest = self._tracker.read(reference.name, version)
        except (ArtifactNotFoundError, ManifestFormatError) as error:
            return LineageNode(ref, problem=str(error))
        return LineageNode(
            ref,
            manifest=manifest,
            raw_inputs=[
                RawInput(uri, manifest.input_revisions.get(uri)) for uri in manifest.inputs
            ],
            used=[self.node(used, path) for used in manifest.used_artifacts],
        )
