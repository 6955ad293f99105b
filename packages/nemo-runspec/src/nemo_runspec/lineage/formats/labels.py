"""What the boxes of a drawn lineage say."""

from __future__ import annotations

from nemo_runspec.lineage.graph import ArtifactNode, Node
from nemo_runspec.printable import printable


def label_lines(node: Node) -> list[str]:
    """The lines of a node's box: what it is, then what a reader should know of it.

    Args:
        node: The node. What no file can hold, such as half of a surrogate pair, is spelled out.
    """
    if isinstance(node, ArtifactNode):
        lines = [node.ref] if node.record is None else [node.ref, node.record.type]
    else:
        lines = [node.input.uri, *([node.input.revision] if node.input.revision else [])]
    return [printable(line) for line in [*lines, *(f"({note})" for note in node.notes)]]
