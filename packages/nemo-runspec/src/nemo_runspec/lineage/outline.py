"""A graph as an outline that can be printed line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from nemo_runspec.lineage.graph import LineageGraph, Node

Way: TypeAlias = Literal["inputs", "products"]

_DEEPEST = 100


@dataclass(frozen=True)
class Line:
    """One line of an outline.

    Attributes:
        rails: For every level, the line's own last, whether nothing follows there.
        node: The node.
        remark: What is said of it here: that what is below it stands elsewhere, for example.
    """

    rails: tuple[bool, ...]
    node: Node
    remark: str | None = None


def outline(graph: LineageGraph, way: Way) -> Iterator[Line]:
    """List what stands below the start, each node with what is below it once.

    Args:
        graph: The graph.
        way: ``inputs`` for what it was made from, ``products`` for what was made from it.
    """
    below = graph.inputs if way == "inputs" else graph.products
    ahead = _children(below, graph.start, ())
    opened = {graph.start}
    while ahead:
        rails, node_id = ahead.pop()
        node = graph.nodes[node_id]
        if not below.get(node_id):
            yield Line(rails, node)
        elif node_id in opened:
            yield Line(rails, node, "see above")
        elif len(rails) == _DEEPEST:
            yield Line(rails, node, f"goes on: more than {_DEEPEST} steps, ask for it by itself")
        else:
            opened.add(node_id)
            yield Line(rails, node)
            ahead += _children(below, node_id, rails)


def _children(
    below: Mapping[str, Sequence[str]], node_id: str, rails: tuple[bool, ...]
) -> list[tuple[tuple[bool, ...], str]]:
    """The nodes below one, last first, as a stack wants them."""
    ids = list(reversed(below.get(node_id, [])))
    return [((*rails, at == 0), child) for at, child in enumerate(ids)]
