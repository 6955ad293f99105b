"""Libraries that read through fsspec read through references."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import fsspec
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from nemo_runspec.artifacts import (
    ModelArtifact,
    SFTDataArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.artifacts.tracking import ArtifactTrackingResult
from nemo_runspec.manifest_tracker import ManifestTracker


@pytest.fixture(params=["local", "memory"])
def tracking(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactTrackingResult:
    """A tracking of a store that holds ``packed:v1``, two shards on one of two storages."""
    place = str(tmp_path / "packed") if request.param == "local" else f"memory://{tmp_path.name}"
    storage, folder = fsspec.core.url_to_fs(place)
    storage.makedirs(f"{folder}/train")
    for shard, rows in (("a", [1, 2]), ("b", [3])):
        with storage.open(f"{folder}/train/{shard}.parquet", "wb") as stream:
            pq.write_table(pa.table({"x": rows}), stream)
    storage.pipe_file(f"{folder}/rows.jsonl", b'{"x": 1}\n{"x": 2}\n')
    config = {"artifacts": {"manifest": {"root": str(tmp_path / "store")}}}
    with setup_artifact_tracking(config):
        artifact = SFTDataArtifact.model_validate({"path": place, "pack_size": 8})
        log_artifact(artifact, name="packed")
    return setup_artifact_tracking(config)


def used(tracking: ArtifactTrackingResult, tmp_path: Path) -> list[str]:
    """What a model that is recorded now says it was made from."""
    logged = log_artifact(ModelArtifact(path=tmp_path / "m", step=1), tracking, name="model")
    return ManifestTracker(tmp_path / "store").find(logged.ref).used_artifacts


def test_pyarrow(tracking: ArtifactTrackingResult, tmp_path: Path) -> None:
    files = fsspec.filesystem("art")
    table = pq.read_table("packed:latest/train/a.parquet", filesystem=files)
    assert table["x"].to_pylist() == [1, 2]
    folder = pyarrow.dataset.dataset("packed/train", filesystem=files, format="parquet")
    assert sorted(folder.to_table()["x"].to_pylist()) == [1, 2, 3]
    assert used(tracking, tmp_path) == ["packed:v1"]


def test_pandas(tracking: ArtifactTrackingResult, tmp_path: Path) -> None:
    assert list(pd.read_parquet("art://packed:latest/train/b.parquet")["x"]) == [3]
    assert list(pd.read_json("art://packed/rows.jsonl", lines=True)["x"]) == [1, 2]
    with pytest.raises(FileNotFoundError, match=r"art://packed/gone\.json: The artifact has no"):
        pd.read_json("art://packed/gone.json")
    assert used(tracking, tmp_path) == ["packed:v1"]


def test_json_lines(tracking: ArtifactTrackingResult) -> None:
    with fsspec.open("art://packed:1/rows.jsonl", "rt") as stream:
        assert [json.loads(line)["x"] for line in stream] == [1, 2]
    assert tracking.inputs == ["packed:v1"]


def test_datasets(
    tracking: ArtifactTrackingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = datasets.load_dataset(
        "json",
        data_files="art://packed:latest/rows.jsonl",
        split="train",
        cache_dir=str(tmp_path / "cache"),
    )
    assert rows["x"][:] == [1, 2]
    assert used(tracking, tmp_path) == ["packed:v1"]
