from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path


def test_lineage_goes_back_to_the_digests_of_raw_files(store: Path, nemotron: Callable) -> None:
    lines = nemotron("artifacts", "lineage", "demo-model").out.splitlines()
    assert lines[0].startswith("demo-model:v1  ModelArtifact")
    assert lines[1].startswith("└── demo-data:v2  Data")
    assert lines[2] == "    └── chat.jsonl  sha256:abc"
    document = json.loads(nemotron("artifacts", "lineage", "demo-model", "--json").out)
    assert document["used_artifacts"][0]["inputs"][0]["revision"] == "sha256:abc"
    assert nemotron("artifacts", "lineage", "demo-model", "--quiet").out.split() == [
        "demo-model:v1",
        "demo-data:v2",
    ]
