"""Follow an artifact's inputs, and what was made from it, through a store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from nemo_runspec.lineage.graph import ArtifactNode, Direction, LineageGraph, Node, RawNode
from nemo_runspec.lineage.index import StoreIndex
from nemo_runspec.lineage.reading import read_manifests, withdrawals
from nemo_runspec.lineage.records import RawInput, VersionRecord
from nemo_runspec.manifest_tracker import ManifestTracker

_CIRCLE = "its lineage goes in a circle: the record was changed by hand"


def lineage_graph(
    tracker: ManifestTracker,
    reference: str,
    *,
    direction: Direction = "both",
    cache: Path | None = None,
) -> LineageGraph:
    """Find what an artifact was made from, and what was made from it.

    ``up`` reads the manifests of what it was made from. What was made from it only the whole
    store can tell: ``down`` and ``both`` read every manifest that was not read before.

    Args:
        tracker: The store.
        reference: Where to start; a withdrawn version, too.
        direction: Which way to go.
        cache: The cache folder; by default the user's.

    Raises:
        ArtifactNotFoundError: The reference means nothing.
        ManifestFormatError: Its own manifest cannot be read; any other becomes a node with a
            problem.
        StoreError: The store cannot be read.
    """
    start = VersionRecord.of(tracker.find(reference))
    index = StoreIndex({}, {}) if direction == "up" else StoreIndex.read(tracker, cache)
    index.records[start.ref] = start
    above = _Ancestors(tracker, index).of(start.ref) if direction != "down" else [start.ref]
    below = _descendants(index.users, start.ref) if direction != "up" else []
    nodes: dict[str, Node] = {
        ref: ArtifactNode(ref, index.records.get(ref), index.problems.get(ref))
        for ref in dict.fromkeys([start.ref, *above, *below])
    }
    origins = [] if direction == "down" else _records(index, above)
    raw = (RawNode(source) for record in origins for source in record.raw_inputs)
    nodes |= {node.id: node for node in raw}
    edges = _edges(nodes)
    _mark(nodes, _in_circles(edges), tracker)
    unread = {ref: why for ref, why in index.problems.items() if ref not in nodes}
    return LineageGraph(start.ref, direction, nodes, edges, unread)


class _Ancestors:
    def __init__(self, tracker: ManifestTracker, index: StoreIndex) -> None:
        self._tracker = tracker
        self._index = index

    def of(self, start: str) -> list[str]:
        """The references of a version and all it was made from, nearest first."""
        found: dict[str, None] = {start: None}
        level = [start]
        while level:
            records = _records(self._index, level)
            level = [ref for ref in _used(records) if ref not in found]
            found |= dict.fromkeys(level)
            self._read(level)
        return list(found)

    def _read(self, refs: Iterable[str]) -> None:
        index = self._index
        unknown = [ref for ref in refs if ref not in index.records and ref not in index.problems]
        for ref, reading in read_manifests(self._tracker, unknown).items():
            if reading.manifest is None:
                index.problems[ref] = reading.problem or ""
            else:
                index.records[ref] = VersionRecord.of(reading.manifest)


def _records(index: StoreIndex, refs: Iterable[str]) -> list[VersionRecord]:
    return [index.records[ref] for ref in refs if ref in index.records]


def _used(records: Iterable[VersionRecord]) -> list[str]:
    return list(dict.fromkeys(used for record in records for used in record.used))


def _descendants(users: Mapping[str, list[str]], start: str) -> list[str]:
    found: dict[str, None] = {start: None}
    ahead = [start]
    while ahead:
        made = dict.fromkeys(user for ref in ahead for user in users.get(ref, []))
        ahead = [ref for ref in made if ref not in found]
        found |= dict.fromkeys(ahead)
    return list(found)


def _edges(nodes: Mapping[str, Node]) -> list[tuple[str, str]]:
    edges: list[tuple[str, str]] = []
    for node in nodes.values():
        record = node.record if isinstance(node, ArtifactNode) else None
        if record is None:
            continue
        sources = [*(RawNode(RawInput(*raw)).id for raw in record.raw), *record.used]
        edges += [(source, node.id) for source in sources if source in nodes]
    return edges


def _in_circles(edges: list[tuple[str, str]]) -> set[str]:
    """The nodes on circles, and those between two."""
    return _never_first(edges) & _never_first([(made, source) for source, made in edges])


def _never_first(edges: list[tuple[str, str]]) -> set[str]:
    """What stays when, again and again, everything goes that no edge leads to."""
    products: dict[str, list[str]] = {}
    waiting = Counter(made for _, made in edges)
    for source, made in edges:
        products.setdefault(source, []).append(made)
    free = [source for source in products if source not in waiting]
    while free:
        for made in products.get(free.pop(), []):
            waiting[made] -= 1
            if waiting[made] == 0:
                free.append(made)
    return {made for made, count in waiting.items() if count}


def _mark(nodes: dict[str, Node], circular: set[str], tracker: ManifestTracker) -> None:
    """Say of every version that it was withdrawn or goes in a circle, where it does."""
    records = [node.record for node in nodes.values() if isinstance(node, ArtifactNode)]
    withdrawn = withdrawals(tracker, [(r.name, r.version) for r in records if r is not None])
    for ref in withdrawn.keys() | circular:
        node = nodes[ref]
        if isinstance(node, ArtifactNode):
            problem = _CIRCLE if ref in circular else node.problem
            nodes[ref] = replace(node, problem=problem, withdrawn=withdrawn.get(ref))
