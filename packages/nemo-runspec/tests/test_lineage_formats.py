from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_runspec.artifacts import Lineage, ModelArtifact
from nemo_runspec.artifacts.paths import RemotePath
from nemo_runspec.lineage import LineageGraph, lineage_graph
from nemo_runspec.lineage.formats.dot import dot
from nemo_runspec.lineage.formats.labels import label_lines
from nemo_runspec.lineage.formats.mermaid import mermaid
from nemo_runspec.lineage.formats.openlineage import openlineage
from nemo_runspec.manifest_tracker import ManifestTracker

AWKWARD = 'a "b" \\n \\ & &lt; <br> #1; %%{init: {}}%% [x](y) `z` *w* ünï 漢 🚀 end'
MEANINGS = {r"\n": "\n", r"\\": "\\", r"\"": '"'}
FACET_FIELDS = {
    "version": {"datasetVersion"},
    "dataSource": {"name", "uri"},
    "datasetType": {"datasetType", "subType"},
    "outputStatistics": {"size", "fileCount"},
    "jobType": {"processingType", "integration"},
    "processing_engine": {"name", "version"},
    "tags": {"tags"},
}


def graph_of(raw: list[str], **provenance: Any) -> tuple[ManifestTracker, LineageGraph]:
    """One model, made from data that was made from raw files."""
    tracker = ManifestTracker(f"memory://formats-{uuid.uuid4().hex}")
    lineage = Lineage(inputs=raw, input_revisions=dict.fromkeys(raw[:1], "sha256:1"))
    tracker.log(ModelArtifact(path=Path("/d t/ü"), step=1), name="data", lineage=lineage)
    lineage = Lineage(used_artifacts=["data:v1"], provenance=provenance)
    model = ModelArtifact(path=RemotePath("s3://bucket/a b"), step=1, producer="slurm-7")
    tracker.log(model, name="model", lineage=lineage)
    return tracker, lineage_graph(tracker, "data")


def read_mermaid(text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Read a flowchart as Mermaid does: quoted labels with numbered characters, and arrows."""
    labels: dict[str, str] = {}
    arrows: list[tuple[str, str]] = []
    head, *lines, style = text.splitlines()
    assert head == "flowchart LR"
    assert re.fullmatch(r"    style n\d+ stroke-width:3px", style)
    for line in lines:
        arrow = re.fullmatch(r"    (n\d+) --> (n\d+)", line)
        if arrow:
            arrows.append((arrow[1], arrow[2]))
            continue
        box = re.fullmatch(r'    (n\d+)(?:\["([^"]*)"\]|\[\("([^"]*)"\)\])', line)
        assert box, line
        assert not set("%{}\\`*&") & set(box[2] or box[3])
        parts = (box[2] or box[3]).split("<br/>")
        assert not any(set("<>") & set(part) for part in parts)
        read = [re.sub(r"#(\d+);", lambda found: chr(int(found[1])), part) for part in parts]
        labels[box[1]] = "\n".join(read)
    names = list(labels)
    return list(labels.values()), [(labels[a], labels[b]) for a, b in arrows if a in names]


def read_dot(text: str) -> tuple[list[str], list[tuple[str, str]]]:
    """Read a graph as Graphviz does: its strings, escapes and entities."""
    labels: dict[str, str] = {}
    arrows: list[tuple[str, str]] = []
    lines = text.splitlines()
    assert lines[0] == "digraph lineage {"
    assert lines[-1] == "}"
    for line in lines[3:-1]:
        arrow = re.fullmatch(r"    (n\d+) -> (n\d+);", line)
        if arrow:
            arrows.append((arrow[1], arrow[2]))
            continue
        box = re.fullmatch(r'    (n\d+) \[label="((?:[^"\\]|\\.)*)"[a-z0-9=, ]*\];', line)
        assert box, line
        assert not re.search(r"&(?!amp;)", box[2])
        label = re.sub(r"\\.", lambda found: MEANINGS[found[0]], box[2])
        labels[box[1]] = label.replace("&amp;", "&")
    return list(labels.values()), [(labels[a], labels[b]) for a, b in arrows]


def expected(graph: LineageGraph) -> tuple[list[str], list[tuple[str, str]]]:
    labels = {key: "\n".join(label_lines(node)) for key, node in graph.nodes.items()}
    return list(labels.values()), [(labels[one], labels[other]) for one, other in graph.edges]


def test_drawings_say_what_things_are() -> None:
    _, graph = graph_of(["/raw/a.jsonl", "/raw/b.jsonl"])
    labels, arrows = read_mermaid(mermaid(graph))
    assert labels == [
        "data:v1\nModelArtifact\n(no recorded producer)",
        "model:v1\nModelArtifact",
        "/raw/a.jsonl\nsha256:1",
        "/raw/b.jsonl\n(no revision recorded)",
    ]
    assert ("/raw/a.jsonl\nsha256:1", labels[0]) in arrows


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text() | st.just(AWKWARD), min_size=1, max_size=3, unique=True))
def test_every_text_survives_being_drawn(raw: list[str]) -> None:
    _, graph = graph_of(raw)
    assert read_mermaid(mermaid(graph)) == expected(graph)
    assert read_dot(dot(graph)) == expected(graph)


def test_what_cannot_be_printed_is_spelled_out() -> None:
    _, graph = graph_of(["/raw/\udc80\n\x1b[31m\u202e"])
    for text in (mermaid(graph), dot(graph), *read_mermaid(mermaid(graph))[0]):
        text.encode()
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert r"/raw/\udc80\n\x1b[31m\u202e" in "\n".join(read_dot(dot(graph))[0])


def facets_of(event: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    datasets = [*event["inputs"], *event["outputs"]]
    for owner in (event["run"], event["job"], *datasets):
        yield from owner["facets"].items()
    for output in event["outputs"]:
        yield from output.get("outputFacets", {}).items()


def check_event(event: dict[str, Any]) -> None:
    """What the specification of OpenLineage 2-0-2 demands of a run event."""
    assert set(event) == {
        *("eventTime", "eventType", "producer", "schemaURL", "run", "job", "inputs", "outputs")
    }
    assert event["schemaURL"] == (
        "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
    )
    assert event["eventType"] == "COMPLETE"
    assert datetime.fromisoformat(event["eventTime"]).tzinfo is not None
    assert urlsplit(event["producer"]).scheme == "https"
    uuid.UUID(event["run"]["runId"])
    for named in (event["job"], *event["inputs"], *event["outputs"]):
        assert named["namespace"]
        assert named["name"]
    for key, facet in facets_of(event):
        kind = facet["_schemaURL"].partition("#/$defs/")[2]
        url = rf"https://openlineage.io/spec/facets/\d-\d-\d/{kind}\.json#/\$defs/{kind}"
        assert re.fullmatch(url, facet["_schemaURL"])
        assert set(facet) == {"_producer", "_schemaURL", *FACET_FIELDS[key]}


def events_of(tracker: ManifestTracker, graph: LineageGraph) -> list[dict[str, Any]]:
    return [json.loads(line) for line in openlineage(tracker, graph).splitlines()]


def test_openlineage_events_are_as_specified(tmp_path: Path) -> None:
    tracker, graph = graph_of(
        ["s3://bucket/a b/c.jsonl", "/raw/ü", "hf://org/repo/file", "\udc80"],
        runspec="nano3/sft",
        git_commit="abc",
        git_dirty=True,
        packages={"nemo-runspec": "0.1.0"},
    )
    made, trained = events_of(tracker, graph)
    for event in (made, trained):
        check_event(event)
    assert [(each["namespace"], each["name"]) for each in made["inputs"]] == [
        ("s3://bucket", "a b/c.jsonl"),
        ("file", "/raw/ü"),
        ("hf://org", "repo/file"),
        ("file", r"\udc80"),
    ]
    assert made["inputs"][0]["facets"]["version"]["datasetVersion"] == "sha256:1"
    assert made["outputs"][0]["facets"]["dataSource"]["uri"] == "file:///d%20t/%C3%BC"
    assert trained["job"]["name"] == "nano3/sft"
    assert trained["outputs"][0]["facets"]["dataSource"]["uri"] == "s3://bucket/a%20b"
    assert trained["outputs"][0]["facets"]["datasetType"]["datasetType"] == "MODEL"
    shared = ("namespace", "name")
    assert [made["outputs"][0][key] for key in shared] == [
        trained["inputs"][0][key] for key in shared
    ]
    tags = {tag["key"]: tag["value"] for tag in trained["run"]["facets"]["tags"]["tags"]}
    assert tags == {"git_commit": "abc", "git_dirty": "true", "producer": "slurm-7"}


def test_openlineage_runs_keep_their_ids() -> None:
    tracker, graph = graph_of(["/raw"])
    first, again = events_of(tracker, graph), events_of(tracker, graph)
    assert first == again
    assert len({event["run"]["runId"] for event in first}) == 2


def test_openlineage_imports_are_jobs_of_their_own() -> None:
    tracker, graph = graph_of(["/raw"], imported={"from": "/ckpt", "at": "2026-01-01T00:00:00Z"})
    assert events_of(tracker, graph)[1]["job"]["name"] == "import/model"


@pytest.mark.parametrize("translate", [mermaid, dot])
def test_a_problem_is_drawn(translate: Any) -> None:
    tracker = ManifestTracker(f"memory://formats-{uuid.uuid4().hex}")
    artifact = ModelArtifact(path=Path("/m"), step=1)
    tracker.log(artifact, name="model", lineage=Lineage(used_artifacts=["gone:v1"]))
    graph = lineage_graph(tracker, "model")
    assert "No artifact is named" in translate(graph)
    assert len(events_of(tracker, graph)) == 1
