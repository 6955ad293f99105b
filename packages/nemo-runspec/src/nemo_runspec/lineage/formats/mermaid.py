"""A lineage as a Mermaid flowchart, which GitHub, GitLab and many wikis draw."""

from __future__ import annotations

from collections.abc import Iterator

from nemo_runspec.lineage.formats.labels import label_lines
from nemo_runspec.lineage.graph import LineageGraph, RawNode

_PLAIN = frozenset(" /:.,_-+=@()")


def mermaid(graph: LineageGraph) -> str:
    """Write a graph in Mermaid's language.

    Args:
        graph: The graph. Mermaid itself draws up to 500 edges; Graphviz has no such limit.
    """
    return "\n".join(_lines(graph)) + "\n"


def _lines(graph: LineageGraph) -> Iterator[str]:
    names = {node_id: f"n{number}" for number, node_id in enumerate(graph.nodes)}
    yield "flowchart LR"
    for node_id, node in graph.nodes.items():
        label = "<br/>".join(_escaped(line) for line in label_lines(node))
        left, right = ("[(", ")]") if isinstance(node, RawNode) else ("[", "]")
        yield f'    {names[node_id]}{left}"{label}"{right}'
    for source, made in graph.edges:
        yield f"    {names[source]} --> {names[made]}"
    yield f"    style {names[graph.start]} stroke-width:3px"


def _escaped(text: str) -> str:
    """Write everything that might mean something to Mermaid, Markdown or HTML by its number."""
    return "".join(one if one.isalnum() or one in _PLAIN else f"#{ord(one)};" for one in text)
