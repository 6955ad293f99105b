from __future__ import annotations

import json
from pathlib import Path

import pytest

from nemo_runspec.artifacts import Artifact, Lineage, ModelArtifact
from nemo_runspec.errors import ArtifactNotFoundError
from nemo_runspec.lineage import RawInput, trace_lineage
from nemo_runspec.manifest_tracker import ManifestTracker


@pytest.fixture
def tracker(tmp_path: Path) -> ManifestTracker:
    return ManifestTracker(tmp_path / "artifacts")


def log(tracker: ManifestTracker, name: str, *used: str, raw: dict[str, str] | None = None) -> None:
    inputs = raw or {}
    lineage = Lineage(inputs=list(inputs), input_revisions=dict(inputs), used_artifacts=list(used))
    tracker.log(Artifact(path=Path("/data") / name), name=name, lineage=lineage)


def test_the_chain_down_to_the_raw_files(tracker: ManifestTracker) -> None:
    log(tracker, "pretrain-data", raw={"/raw/a.jsonl": "sha256:aa"})
    log(tracker, "pretrain-model", "pretrain-data:v1")
    log(tracker, "sft-data", raw={"/raw/b.jsonl": "sha256:bb"})
    log(tracker, "sft-model", "pretrain-model:v1", "sft-data:v1")
    node = trace_lineage(tracker, "art://sft-model:latest")
    assert [one.ref for one in node.walk()] == [
        "sft-model:v1",
        "pretrain-model:v1",
        "pretrain-data:v1",
        "sft-data:v1",
    ]
    assert node.used[1].raw_inputs == [RawInput("/raw/b.jsonl", "sha256:bb")]
    document = json.loads(json.dumps(node.to_dict()))
    assert document["used_artifacts"][0]["used_artifacts"][0]["inputs"] == [
        {"uri": "/raw/a.jsonl", "revision": "sha256:aa"}
    ]


def test_a_link_that_is_gone_is_shown(tracker: ManifestTracker) -> None:
    log(tracker, "model", "gone:v3")
    (node,) = trace_lineage(tracker, "model").used
    assert node.ref == "gone:v3"
    assert "No artifact is named 'gone'" in (node.problem or "")


def test_a_damaged_link_is_shown(tracker: ManifestTracker, tmp_path: Path) -> None:
    log(tracker, "data")
    log(tracker, "model", "data:v1")
    (tmp_path / "artifacts" / "data" / "v1" / "manifest.json").write_text("{")
    (node,) = trace_lineage(tracker, "model").used
    assert "The manifest is damaged" in (node.problem or "")


def test_a_circle_in_edited_manifests_ends(tracker: ManifestTracker) -> None:
    log(tracker, "a", "b:v1")
    log(tracker, "b", "a:v1")
    refs = [(one.ref, one.problem) for one in trace_lineage(tracker, "a").walk()]
    assert refs == [
        ("a:v1", None),
        ("b:v1", None),
        ("a:v1", "the lineage goes in a circle"),
    ]


def test_the_start_must_exist(tracker: ManifestTracker) -> None:
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'absent'"):
        trace_lineage(tracker, "absent")


def log_step(tracker: ManifestTracker, step: int, used: list[str]) -> str:
    artifact = ModelArtifact(path=Path("/checkpoints"), step=step)
    return tracker.log(artifact, name="step", lineage=Lineage(used_artifacts=used)).ref


def test_a_lineage_longer_than_can_be_shown_ends_with_a_word() -> None:
    tracker = ManifestTracker("memory://lineage-long")
    used: list[str] = []
    for step in range(1_500):
        used = [log_step(tracker, step, used)]
    nodes = list(trace_lineage(tracker, "step:latest").walk())
    assert len(nodes) == 201
    assert nodes[-1].ref == "step:v1300"
    assert nodes[-1].problem == "more than 200 steps back: trace it from here"


def test_what_is_used_twice_is_walked_once() -> None:
    tracker = ManifestTracker("memory://lineage-woven")
    refs = [log_step(tracker, 0, []), log_step(tracker, 1, [])]
    for step in range(2, 60):
        refs.append(log_step(tracker, step, refs[-2:]))
    nodes = [node.ref for node in trace_lineage(tracker, "step:latest").walk()]
    assert sorted(nodes) == sorted(refs)
