from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import (
    Lineage,
    ModelArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.manifest_tracker import ManifestTracker


def test_lineage_goes_back_to_the_digests_of_raw_files(store: Path, nemotron: Callable) -> None:
    lines = nemotron("artifacts", "lineage", "demo-model").out.splitlines()
    assert lines[0].startswith("demo-model:v1  ModelArtifact")
    assert lines[1].startswith("└── demo-data:v2  Data")
    assert lines[2] == "    └── chat.jsonl  sha256:abc"
    assert nemotron("artifacts", "lineage", "demo-model", "--quiet").out.split() == [
        "demo-model:v1",
        "demo-data:v2",
    ]


def test_lineage_goes_forward_too(store: Path, nemotron: Callable) -> None:
    lines = nemotron("artifacts", "lineage", "demo-data").out.splitlines()
    assert lines[1] == "└── chat.jsonl  sha256:abc"
    assert lines[2:4] == ["", "What was made from it:"]
    assert lines[4].startswith("└── demo-model:v1  ModelArtifact")
    down = nemotron("artifacts", "lineage", "demo-model", "--direction", "down").out
    assert "chat.jsonl" not in down
    assert "Nothing that is recorded here was made from it." in down
    up = nemotron("artifacts", "lineage", "demo-data", "--direction", "up").out
    assert "demo-model" not in up


@pytest.mark.parametrize("words", [["--json"], ["--format", "json"]])
def test_lineage_as_json_is_a_graph(store: Path, nemotron: Callable, words: list[str]) -> None:
    document = json.loads(nemotron("artifacts", "lineage", "demo-model", *words).out)
    raw = next(node for node in document["nodes"] if node["node"] == "raw")
    assert raw["revision"] == "sha256:abc"
    assert {"from": "demo-data:v2", "to": "demo-model:v1"} in document["edges"]


def test_lineage_in_other_languages(store: Path, nemotron: Callable) -> None:
    def ask(form: str) -> str:
        return nemotron("artifacts", "lineage", "demo-model", "--format", form).out

    assert ask("mermaid").startswith("flowchart LR\n")
    assert ask("dot").startswith("digraph lineage {\n")
    events = [json.loads(line) for line in ask("openlineage").splitlines()]
    assert [event["outputs"][0]["name"] for event in events] == ["demo-data", "demo-model"]
    refused = nemotron("artifacts", "lineage", "demo-model", "--format", "svg")
    assert refused.code == 2
    assert "svg" in refused.err


def test_lineage_of_what_is_gone_says_so(store: Path, nemotron: Callable) -> None:
    (store / "demo-data" / "v2" / "manifest.json").write_text("{")
    out = nemotron("artifacts", "lineage", "demo-model").out
    assert "demo-data:v2  (" in out
    assert "The manifest is damaged" in out
    assert "Not looked into" in nemotron("artifacts", "lineage", "demo-data:v1").out


def train(store: Path, workplace: Path, *, seed: int, data: str) -> None:
    config = {
        "artifacts": {"manifest": {"root": str(store)}},
        "run": {"data": data},
        "seed": seed,
    }
    with setup_artifact_tracking(OmegaConf.create(config)) as tracking:
        log_artifact(ModelArtifact(path=workplace / "ckpt", step=5), tracking, name="tuned")


def test_why_names_the_key_that_differs(store: Path, workplace: Path, nemotron: Callable) -> None:
    for seed in (1, 1234):
        train(store, workplace, seed=seed, data="demo-data:v2")
    found = nemotron("artifacts", "why", "tuned:v1", "tuned:v2")
    assert "Config: seed: 1 → 1234" in found.out
    assert nemotron("artifacts", "why", "tuned:v1", "tuned:v2", "--quiet").out == "config seed\n"
    document = json.loads(nemotron("artifacts", "why", "tuned:v1", "tuned:v2", "--json").out)
    assert document["categories"] == ["config"]


def test_why_names_the_input_and_not_its_reference(
    store: Path, workplace: Path, nemotron: Callable
) -> None:
    for version in ("v1", "v2"):
        train(store, workplace, seed=1, data=f"demo-data:{version}")
    found = nemotron("artifacts", "why", "tuned:v1", "tuned:v2", "--quiet")
    assert found.out == "data demo-data\n"
    mixed = nemotron("artifacts", "why", "tuned:v1", "tuned:v1").out
    assert "Both are tuned:v1." in mixed


def test_why_of_what_does_not_exist(store: Path, nemotron: Callable) -> None:
    done = nemotron("artifacts", "why", "demo-model", "absent")
    assert done.code == 1
    assert "No artifact is named 'absent'" in done.err
    assert nemotron("artifacts", "why", "demo-model").code == 2


def test_names_that_no_terminal_takes_are_spelled_out(workplace: Path, nemotron: Callable) -> None:
    uri = "/raw/\udc80\x1b[31m\nlast"
    tracker = ManifestTracker(workplace / "artifacts")
    for step in (1, 2):
        lineage = Lineage(inputs=[f"{uri}{step}"])
        tracker.log(ModelArtifact(path=workplace, step=step), name="model", lineage=lineage)
    tree = nemotron("artifacts", "lineage", "model").out
    assert r"└── /raw/\udc80\x1b[31m\nlast2" in tree
    shown = json.loads(nemotron("artifacts", "lineage", "model", "--json").out)
    assert shown["nodes"][-1]["uri"] == f"{uri}2"
    why = nemotron("artifacts", "why", "model:v1", "model:v2").out
    assert r"/raw/\udc80\x1b[31m\nlast1 →" in why
