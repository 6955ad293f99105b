"""``nemotron artifacts lineage``: what a version was made from, and what was made from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from nemo_runspec.lineage import ArtifactNode, LineageGraph, lineage_graph
from nemo_runspec.lineage.graph import Node
from nemo_runspec.lineage.outline import Line, outline
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.printable import printable
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.inputs import show_input
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Box
from nemotron.cli.values import show_time

_MADE_FROM_IT = "What was made from it:"


def run(app: App, values: Mapping[str, Any]) -> int:
    """Show a lineage in the form that is asked for."""
    tracker = Store(app, values["root"]).tracker
    with app.waiting("Reading the records of the store"):
        graph = lineage_graph(tracker, values["reference"], direction=values["direction"])
    mode = output_mode(values)
    form = "json" if mode == "json" else values["format"]
    if form == "json":
        app.document(graph.to_dict())
    elif form != "tree":
        app.write(_translated(tracker, graph, form))
    elif mode == "quiet":
        app.write("".join(f"{node.ref}\n" for node in graph.artifacts))
    else:
        app.write("".join(f"{line}\n" for line in _tree(graph, app)))
    return 0


def _translated(tracker: ManifestTracker, graph: LineageGraph, form: str) -> str:
    if form == "mermaid":
        from nemo_runspec.lineage.formats.mermaid import mermaid

        return mermaid(graph)
    if form == "dot":
        from nemo_runspec.lineage.formats.dot import dot

        return dot(graph)
    from nemo_runspec.lineage.formats.openlineage import openlineage

    return openlineage(tracker, graph)


def _tree(graph: LineageGraph, app: App) -> Iterator[str]:
    screen = app.screen
    yield screen.style(_title(graph.nodes[graph.start]), "1")
    if graph.direction != "down":
        yield from (_drawn(line, screen.box) for line in outline(graph, "inputs"))
    products = [_drawn(line, screen.box) for line in outline(graph, "products")]
    if products:
        yield from ["", _MADE_FROM_IT, *products]
    elif graph.direction == "down":
        yield from ["", "Nothing that is recorded here was made from it."]
    for ref, problem in graph.unread.items():
        yield printable(f"Not looked into, so it may be missing above: {ref} ({problem})")


def _drawn(line: Line, box: Box) -> str:
    *above, last = line.rails
    rails = "".join("    " if ended else box.trunk for ended in above)
    remark = "" if line.remark is None else f"  ({line.remark})"
    return f"{rails}{box.last_branch if last else box.branch}{_title(line.node)}{remark}"


def _title(node: Node) -> str:
    if not isinstance(node, ArtifactNode):
        return printable(show_input(node.input.uri, node.input.revision))
    words = [node.ref]
    if node.record is not None:
        created = datetime.fromisoformat(node.record.created_at)
        words += [node.record.type, show_time(created)]
    return printable("  ".join([*words, *(f"({note})" for note in node.notes)]))
