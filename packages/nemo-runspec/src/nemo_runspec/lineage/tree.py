"""What made an artifact, as nested nodes: its inputs, their inputs, down to the raw data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nemo_runspec.lineage.reading import Reading, read_manifest
from nemo_runspec.lineage.records import RawInput, VersionRecord
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker

_DEEPEST = 200


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
    """Follow an artifact's inputs back to the raw data, as far as nodes can be nested.

    :func:`~nemo_runspec.lineage.lineage_graph` has no such limit, and goes both ways.

    Args:
        tracker: The store.
        reference: Where to start; a withdrawn version, too.

    Raises:
        ArtifactNotFoundError: The reference means nothing.
        ManifestFormatError: Its own manifest cannot be read; one further back becomes a node
            with a problem.
    """
    manifest = tracker.find(reference)
    return _Walk(tracker).start(manifest)


class _Walk:
    def __init__(self, tracker: ManifestTracker) -> None:
        self._tracker = tracker
        self._known: dict[str, LineageNode] = {}

    def start(self, manifest: Manifest) -> LineageNode:
        return self._made(Reading(manifest.ref, manifest), (manifest.ref,))

    def _node(self, ref: str, below: tuple[str, ...]) -> LineageNode:
        if ref in below:
            return LineageNode(ref, problem="the lineage goes in a circle")
        if len(below) >= _DEEPEST and ref not in self._known:
            return LineageNode(ref, problem=f"more than {_DEEPEST} steps back: trace it from here")
        if ref not in self._known:
            self._known[ref] = self._made(read_manifest(self._tracker, ref), (*below, ref))
        return self._known[ref]

    def _made(self, reading: Reading, path: tuple[str, ...]) -> LineageNode:
        if reading.manifest is None:
            return LineageNode(reading.ref, problem=reading.problem)
        record = VersionRecord.of(reading.manifest)
        return LineageNode(
            reading.ref,
            manifest=reading.manifest,
            raw_inputs=record.raw_inputs,
            used=[self._node(used, path) for used in record.used],
        )
