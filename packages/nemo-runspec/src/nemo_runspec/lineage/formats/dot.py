"""A lineage as a graph in Graphviz's language."""

from __future__ import annotations

from collections.abc import Iterator

from nemo_runspec.lineage.formats.labels import label_lines
from nemo_runspec.lineage.graph import LineageGraph, RawNode


def dot(graph: LineageGraph) -> str:
    """Write a graph in the DOT language.

    Args:
        graph: The graph.
    """
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: LineageGraph) -> Iterator[str]:
    names = {node_id: f"n{number}" for number, node_id in enumerate(graph.nodes)}
    yield "digraph lineage {"
    yield "    rankdir=LR;"
    yield "    node [shape=box];"
    for node_id, node in graph.nodes.items():
        label = r"\n".join(_escaped(line) for line in label_lines(node))
        look = ", shape=cylinder" if isinstance(node, RawNode) else ""
        look += ", penwidth=2" if node_id == graph.start else ""
        yield f'    {names[node_id]} [label="{label}"{look}];'
    for source, made in graph.edges:
        yield f"    {names[source]} -> {names[made]};"
    yield "}"


def _escaped(text: str) -> str:
    """Escape what ends a string, starts an escape, or starts an HTML entity."""
    return text.replace("\\", r"\\").replace('"', r"\"").replace("&", "&amp;")
