from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo_runspec.artifacts import Artifact, Lineage
from nemo_runspec.errors import ArtifactNotFoundError, ManifestFormatError, StoreError
from nemo_runspec.lineage import LineageGraph, RawNode, StoreIndex, lineage_graph
from nemo_runspec.lineage.cache import cache_folder
from nemo_runspec.lineage.outline import outline
from nemo_runspec.manifest_tracker import ManifestTracker

CIRCLE = "its lineage goes in a circle: the record was changed by hand"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("NEMOTRON_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def tracker(root: Path) -> ManifestTracker:
    return ManifestTracker(root)


def log(
    tracker: ManifestTracker,
    name: str,
    *used: str,
    raw: dict[str, str] | None = None,
    producer: str | None = "slurm-1",
    **provenance: Any,
) -> str:
    inputs = raw or {}
    lineage = Lineage(
        inputs=list(inputs),
        input_revisions={uri: revision for uri, revision in inputs.items() if revision},
        used_artifacts=list(used),
        provenance=provenance,
    )
    artifact = Artifact(path=Path("/data") / name, producer=producer)
    return tracker.log(artifact, name=name, lineage=lineage).ref


def edit(root: Path, ref: str, **changes: Any) -> None:
    name, _, version = ref.partition(":")
    file = root / name / version / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refs(graph: LineageGraph) -> list[str]:
    return sorted(node.ref for node in graph.artifacts)


@pytest.fixture
def diamond(tracker: ManifestTracker) -> ManifestTracker:
    """raw → base → (left, right) → top → after, and something apart."""
    log(tracker, "base", raw={"/raw/a.jsonl": "sha256:aa", "s3://b/c": ""})
    log(tracker, "left", "base:v1")
    log(tracker, "right", "base:v1", raw={"/raw/a.jsonl": "sha256:aa"})
    log(tracker, "top", "left:v1", "right:v1")
    log(tracker, "after", "top:v1", raw={"/raw/z": "sha256:zz"})
    log(tracker, "apart")
    return tracker


def test_both_ways_each_version_and_raw_input_stands_once(diamond: ManifestTracker) -> None:
    graph = lineage_graph(diamond, "top")
    assert refs(graph) == ["after:v1", "base:v1", "left:v1", "right:v1", "top:v1"]
    assert [node.id for node in graph.nodes.values() if isinstance(node, RawNode)] == [
        "</raw/a.jsonl>@sha256:aa",
        "<s3://b/c>",
    ]
    assert sorted(graph.edges) == [
        ("</raw/a.jsonl>@sha256:aa", "base:v1"),
        ("</raw/a.jsonl>@sha256:aa", "right:v1"),
        ("<s3://b/c>", "base:v1"),
        ("base:v1", "left:v1"),
        ("base:v1", "right:v1"),
        ("left:v1", "top:v1"),
        ("right:v1", "top:v1"),
        ("top:v1", "after:v1"),
    ]


def test_one_way_only(diamond: ManifestTracker) -> None:
    assert refs(lineage_graph(diamond, "left", direction="up")) == ["base:v1", "left:v1"]
    down = lineage_graph(diamond, "left", direction="down")
    assert refs(down) == ["after:v1", "left:v1", "top:v1"]
    assert not any(isinstance(node, RawNode) for node in down.nodes.values())


def test_a_revision_of_its_own_is_a_node_of_its_own(tracker: ManifestTracker) -> None:
    log(tracker, "data", raw={"/raw": "sha256:1"})
    log(tracker, "data", "data:v1", raw={"/raw": "sha256:2"})
    assert {"</raw>@sha256:1", "</raw>@sha256:2"} <= set(lineage_graph(tracker, "data").nodes)


def test_the_graph_as_json(diamond: ManifestTracker) -> None:
    document = json.loads(json.dumps(lineage_graph(diamond, "right").to_dict()))
    assert (document["format_version"], document["start"], document["direction"]) == (
        1,
        "right:v1",
        "both",
    )
    assert {"from": "base:v1", "to": "right:v1"} in document["edges"]
    node = next(each for each in document["nodes"] if each["id"] == "base:v1")
    assert (node["node"], node["path"], node["producer"]) == ("artifact", "/data/base", "slurm-1")


def test_where_chains_start_and_what_was_not_recorded(tracker: ManifestTracker) -> None:
    imported = {"from": "/ckpt/base", "at": "2026-01-01T00:00:00+00:00"}
    log(tracker, "base", producer=None, imported=imported)
    log(tracker, "lonely", producer=None)
    log(tracker, "made", "base:v1", producer=None)
    log(tracker, "full", "base:v1", "lonely:v1", "made:v1")
    notes = {node.ref: node.notes for node in lineage_graph(tracker, "full").artifacts}
    assert notes == {
        "base:v1": ["starts a chain: imported from /ckpt/base"],
        "lonely:v1": ["no recorded producer", "no recorded inputs"],
        "made:v1": ["no recorded producer"],
        "full:v1": [],
    }


@pytest.mark.parametrize(
    ("used", "problem"),
    [
        ("gone:v3", "No artifact is named 'gone'"),
        ("data:v9", "'data' has no version v9"),
        ("data:latest", "this is not pinned"),
        ("team/project/data:v3", "recorded in W&B"),
        ("what is this?", "is no artifact name"),
        ("data:v1", "The manifest is damaged"),
    ],
)
def test_a_link_that_leads_nowhere_is_a_node_with_a_problem(
    tracker: ManifestTracker, root: Path, used: str, problem: str
) -> None:
    log(tracker, "data")
    log(tracker, "model", used)
    (root / "data" / "v1" / "manifest.json").write_text("{")
    for direction in ("up", "both"):
        graph = lineage_graph(tracker, "model", direction=direction)
        found = next(node for node in graph.artifacts if node.ref == used)
        assert problem in (found.problem or "")
        assert graph.edges == [(used, "model:v1")]


def test_spellings_of_one_version_are_one_node(tracker: ManifestTracker) -> None:
    log(tracker, "data")
    log(tracker, "model", "data:v1", "art://data:1", "art://data:v1/blend.json")
    assert lineage_graph(tracker, "model").edges == [("data:v1", "model:v1")]


@pytest.mark.parametrize("length", [1, 2, 3])
def test_circles_of_edited_manifests_end(tracker: ManifestTracker, root: Path, length: int) -> None:
    log(tracker, "before")
    for number in range(length):
        log(tracker, f"c{number}")
    for number in range(length):
        used = [f"c{(number + 1) % length}:v1", "before:v1"]
        edit(root, f"c{number}:v1", used_artifacts=used)
    log(tracker, "after", "c0:v1")
    graph = lineage_graph(tracker, "c0")
    problems = {node.ref: node.problem for node in graph.artifacts}
    circle = {f"c{number}:v1": CIRCLE for number in range(length)}
    assert problems == {**circle, "before:v1": None, "after:v1": None}
    assert len(list(outline(graph, "inputs"))) == 2 * length


def test_what_cannot_be_read_might_belong_here_and_is_told(
    diamond: ManifestTracker, root: Path
) -> None:
    (root / "apart" / "v1" / "manifest.json").write_text("not json")
    graph = lineage_graph(diamond, "base")
    assert list(graph.unread) == ["apart:v1"]
    assert "The manifest is damaged" in graph.unread["apart:v1"]


def test_the_start_must_be_there_and_readable(tracker: ManifestTracker, root: Path) -> None:
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'absent'"):
        lineage_graph(tracker, "absent")
    log(tracker, "data")
    (root / "data" / "v1" / "manifest.json").write_text("{")
    with pytest.raises(ManifestFormatError, match="damaged"):
        lineage_graph(tracker, "data:v1")


def test_a_root_that_is_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory"):
        lineage_graph(ManifestTracker(tmp_path / "file"), "data")


def test_withdrawal_is_seen_at_once_and_taken_back(diamond: ManifestTracker) -> None:
    lineage_graph(diamond, "top")
    diamond.withdraw("base", 1, reason="wrong split")
    graph = lineage_graph(diamond, "base:v1")
    assert {node.ref: node.withdrawn for node in graph.artifacts if node.withdrawn} == {
        "base:v1": "wrong split"
    }
    diamond.restore("base", 1)
    assert not any(node.withdrawn for node in lineage_graph(diamond, "top").artifacts)


def lay_down(root: Path, name: str, count: int) -> None:
    """Versions that are each made from the one before, as their writers would have left them."""
    tracker = ManifestTracker(root)
    log(tracker, name)
    document = json.loads((root / name / "v1" / "manifest.json").read_text())
    for version in range(2, count + 1):
        folder = root / name / f"v{version}"
        folder.mkdir()
        used = {"version": version, "used_artifacts": [f"{name}:v{version - 1}"]}
        (folder / "manifest.json").write_text(json.dumps(document | used))
    (root / name / "latest").write_text(f"v{count}")


def test_ten_thousand_steps_are_no_problem(root: Path) -> None:
    lay_down(root, "step", 10_000)
    tracker = ManifestTracker(root)
    graph = lineage_graph(tracker, "step:v5000")
    assert len(graph.nodes) == 10_000
    assert len(graph.edges) == 9_999
    lines = list(outline(graph, "inputs"))
    assert len(lines) == 100
    assert lines[-1].remark == "goes on: more than 100 steps, ask for it by itself"
    json.dumps(graph.to_dict())


def test_what_was_read_once_is_not_read_again(root: Path, tracker: ManifestTracker) -> None:
    log(tracker, "data", raw={"/raw/ä": "sha256:\udc80"})
    log(tracker, "data", "data:v1")
    log(tracker, "model", "data:v2")
    lineage_graph(tracker, "model")
    (root / "data" / "v1" / "manifest.json").write_text("gone")
    graph = lineage_graph(tracker, "data:v2")
    assert refs(graph) == ["data:v1", "data:v2", "model:v1"]
    assert not any(node.problem for node in graph.artifacts)
    assert "</raw/ä>@sha256:\udc80" in graph.nodes


@pytest.mark.parametrize("content", [b"", b"{", b"[]\n{}", b"\xff\xfe", None])
def test_a_damaged_copy_is_made_again(
    diamond: ManifestTracker, cache: Path, content: bytes | None
) -> None:
    before = lineage_graph(diamond, "top").to_dict()
    (file,) = (cache / "lineage").iterdir()
    good = file.read_bytes()
    file.write_bytes(good.replace(b"/data/", b"/datb/") if content is None else content)
    assert lineage_graph(diamond, "top").to_dict() == before
    assert file.read_bytes() == good


def test_a_copy_of_another_store_is_not_believed(
    diamond: ManifestTracker, cache: Path, tmp_path: Path
) -> None:
    lineage_graph(diamond, "top")
    (mine,) = (cache / "lineage").iterdir()
    other = ManifestTracker(tmp_path / "other")
    log(other, "top")
    lineage_graph(other, "top")
    (theirs,) = set((cache / "lineage").iterdir()) - {mine}
    theirs.write_bytes(mine.read_bytes())
    assert refs(lineage_graph(other, "top")) == ["top:v1"]


def test_a_store_that_was_made_anew_is_read_anew(
    diamond: ManifestTracker, root: Path, tmp_path: Path
) -> None:
    lineage_graph(diamond, "top")
    root.rename(tmp_path / "old")
    again = ManifestTracker(root)
    log(again, "top", raw={"/raw/new": "sha256:nn"})
    graph = lineage_graph(again, "top")
    assert set(graph.nodes) == {"top:v1", "</raw/new>@sha256:nn"}
    assert not graph.unread


def test_versions_that_others_record_are_seen(diamond: ManifestTracker, root: Path) -> None:
    lineage_graph(diamond, "base")
    elsewhere = ManifestTracker(root)
    log(elsewhere, "top", "base:v1")
    log(elsewhere, "new", "base:v1")
    (root / "top" / "latest").write_text("v1")
    assert {"top:v2", "new:v1"} <= set(lineage_graph(diamond, "base").nodes)


def test_without_a_usable_cache_folder_everything_is_read(
    diamond: ManifestTracker, cache: Path
) -> None:
    cache.write_text("a file")
    assert len(lineage_graph(diamond, "top").artifacts) == 5
    assert cache.read_text() == "a file"


def test_a_store_in_memory_leaves_no_copy(cache: Path) -> None:
    tracker = ManifestTracker("memory://lineage-graph")
    log(tracker, "data")
    log(tracker, "model", "data:v1")
    assert refs(lineage_graph(tracker, "data")) == ["data:v1", "model:v1"]
    assert not cache.exists()


def test_going_up_reads_nothing_else_and_keeps_nothing(
    diamond: ManifestTracker, cache: Path, root: Path
) -> None:
    (root / "apart" / "v1" / "manifest.json").write_text("not json")
    assert not lineage_graph(diamond, "top", direction="up").unread
    assert not cache.exists()


def test_where_the_copy_lies(tmp_path: Path) -> None:
    home = str(tmp_path / "xdg")
    assert cache_folder({"NEMOTRON_CACHE_DIR": "mine", "XDG_CACHE_HOME": home}) == Path("mine")
    assert cache_folder({"XDG_CACHE_HOME": home}) == tmp_path / "xdg" / "nemotron"
    assert cache_folder({"XDG_CACHE_HOME": "relative"}) == Path.home() / ".cache" / "nemotron"


def test_nothing_half_written_lies_beside_the_copy(diamond: ManifestTracker, cache: Path) -> None:
    StoreIndex.read(diamond)
    (file,) = (cache / "lineage").iterdir()
    assert file.suffix == ".json"


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(min_value=0, max_value=30), max_size=4), max_size=12))
def test_up_and_down_are_each_others_mirror(uses: list[list[int]]) -> None:
    root = f"memory://lineage-mirror-{abs(hash(str(uses)))}"
    tracker = ManifestTracker(root)
    if not tracker.names():
        for number, wanted in enumerate(uses, start=1):
            log(tracker, "s", *(f"s:v{one % number}" for one in wanted if one % number))
    versions = tracker.versions("s") if uses else []
    up = {n: set(refs(lineage_graph(tracker, f"s:v{n}", direction="up"))) for n in versions}
    down = {n: set(refs(lineage_graph(tracker, f"s:v{n}", direction="down"))) for n in versions}
    for one in versions:
        for other in versions:
            assert (f"s:v{one}" in up[other]) == (f"s:v{other}" in down[one])
