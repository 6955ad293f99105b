"""``nemotron artifacts lineage``: what a version was made from, to the raw files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.lineage import LineageNode, trace_lineage
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.inputs import show_input
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Tree
from nemotron.cli.values import show_time


def run(app: App, values: Mapping[str, Any]) -> int:
    """Show what a version was made from, down to the raw data."""
    node = trace_lineage(Store(app, values["root"]).tracker, values["reference"])
    mode = output_mode(values)
    if mode == "json":
        app.document(node.to_dict())
    elif mode == "quiet":
        lines = dict.fromkeys(each.ref for each in node.walk())
        app.write("".join(f"{line}\n" for line in lines))
    else:
        app.tree(_node_title(node), _lineage_tree(node))
    return 0


def _node_title(node: LineageNode) -> str:
    if node.manifest is None:
        return f"{node.ref}  ({node.problem})"
    return f"{node.ref}  {node.manifest.type}  {show_time(node.manifest.created_at)}"


def _lineage_tree(node: LineageNode) -> Tree:
    raw: dict[str, Tree | str] = {
        show_input(item.uri, item.revision): "" for item in node.raw_inputs
    }
    return raw | {_node_title(used): _lineage_tree(used) for used in node.used}
