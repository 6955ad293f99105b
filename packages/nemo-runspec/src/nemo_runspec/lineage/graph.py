"""A lineage as a graph: every version and every raw input once, and what was made from what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

from nemo_runspec.lineage.records import RawInput, VersionRecord

Direction: TypeAlias = Literal["up", "down", "both"]

_FORMAT_VERSION = 1


@dataclass(frozen=True)
class ArtifactNode:
    """One version of an artifact.

    Attributes:
        ref: The pinned reference.
        record: What its manifest says; None where that is gone or unreadable.
        problem: What is wrong with its record.
        withdrawn: Why it was taken out of use; None where it is in use.
    """

    ref: str
    record: VersionRecord | None = None
    problem: str | None = None
    withdrawn: str | None = None

    @property
    def id(self) -> str:
        """What edges call it."""
        return self.ref

    @property
    def notes(self) -> list[str]:
        """What a reader should know of it: where its chain starts, what was not recorded."""
        told = [] if self.record is None else _gaps(self.record)
        if self.withdrawn is not None:
            told.append(f"withdrawn: {self.withdrawn}")
        return told if self.problem is None else [*told, self.problem]

    def to_dict(self) -> dict[str, Any]:
        """The node as JSON values."""
        record = self.record
        return {
            "id": self.id,
            "node": "artifact",
            "ref": self.ref,
            "type": record.type if record else None,
            "kind": record.kind if record else None,
            "path": record.path if record else None,
            "created_at": record.created_at if record else None,
            "producer": record.producer if record else None,
            "imported_from": record.imported if record else None,
            "withdrawn": self.withdrawn,
            "problem": self.problem,
            "notes": self.notes,
        }


@dataclass(frozen=True)
class RawNode:
    """Raw data in one revision.

    Attributes:
        input: Its URI and revision.
    """

    input: RawInput

    @property
    def id(self) -> str:
        """What edges call it; no reference looks like that."""
        revision = "" if self.input.revision is None else f"@{self.input.revision}"
        return f"<{self.input.uri}>{revision}"

    @property
    def notes(self) -> list[str]:
        """What a reader should know of it."""
        return [] if self.input.revision else ["no revision recorded"]

    def to_dict(self) -> dict[str, Any]:
        """The node as JSON values."""
        return {
            "id": self.id,
            "node": "raw",
            "uri": self.input.uri,
            "revision": self.input.revision,
            "notes": self.notes,
        }


Node: TypeAlias = ArtifactNode | RawNode


@dataclass(frozen=True)
class LineageGraph:
    """What an artifact was made from, what was made from it, or both.

    Attributes:
        start: The reference that was asked for, pinned.
        direction: ``up`` to the raw data, ``down`` to what was made from it, or ``both``.
        nodes: Versions and raw inputs, by id; the start comes first.
        edges: Pairs of ids: an input, and what was made from it.
        unread: Versions of the store that could not be read, and why: they may belong here.
    """

    start: str
    direction: Direction
    nodes: Mapping[str, Node]
    edges: list[tuple[str, str]]
    unread: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def inputs(self) -> dict[str, list[str]]:
        """The ids of what each node was made from."""
        return _grouped((made, source) for source, made in self.edges)

    @cached_property
    def products(self) -> dict[str, list[str]]:
        """The ids of what was made from each node."""
        return _grouped(self.edges)

    @property
    def artifacts(self) -> list[ArtifactNode]:
        """The nodes that are versions of artifacts."""
        return [node for node in self.nodes.values() if isinstance(node, ArtifactNode)]

    def in_order(self) -> list[str]:
        """The ids of all nodes: inputs before what was made from them, circles at the end."""
        waiting = {node_id: len(self.inputs.get(node_id, [])) for node_id in self.nodes}
        ready = [node_id for node_id, count in waiting.items() if count == 0]
        for node_id in ready:
            for made in self.products.get(node_id, []):
                waiting[made] -= 1
                if waiting[made] == 0:
                    ready.append(made)
        return list(dict.fromkeys([*ready, *self.nodes]))

    def to_dict(self) -> dict[str, Any]:
        """The graph as JSON values."""
        return {
            "format_version": _FORMAT_VERSION,
            "start": self.start,
            "direction": self.direction,
            "nodes": [node.to_dict() for node in self.nodes.values()],
            "edges": [{"from": source, "to": made} for source, made in self.edges],
            "unread": [{"ref": ref, "problem": why} for ref, why in self.unread.items()],
        }


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups


def _gaps(record: VersionRecord) -> list[str]:
    if record.imported is not None:
        return [f"starts a chain: imported from {record.imported}"]
    gaps = [] if record.producer else ["no recorded producer"]
    return gaps if record.used or record.raw else [*gaps, "no recorded inputs"]
