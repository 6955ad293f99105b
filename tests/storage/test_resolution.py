"""What users write finds artifacts on object stores: references, configurations, commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig, OmegaConf

from nemo_runspec.artifacts import (
    Artifact,
    ModelArtifact,
    SFTDataArtifact,
    log_artifact,
    setup_artifact_tracking,
)


def nemotron(*words: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "nemotron", "artifacts", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def config_for(root: str, **content: object) -> DictConfig:
    return OmegaConf.create({"artifacts": {"manifest": {"root": root}}, **content})


@pytest.fixture(params=["seaweedfs", "gcs"])
def root(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_a_chain_of_two_jobs(root: str) -> None:
    data = SFTDataArtifact(path=Path("/data/sft"), pack_size=4096)
    with setup_artifact_tracking(config_for(root, run={})) as tracking:
        assert log_artifact(data, tracking, name="sft-data").ref == "sft-data:v1"
    train = config_for(root, run={"data": "sft-data:latest"}, size="${art:data,pack_size}")
    with setup_artifact_tracking(train) as tracking:
        assert train.size == 4096
        model = ModelArtifact(path=Path("/checkpoints"), step=7)
        assert log_artifact(model, tracking, name="sft-model").ref == "sft-model:v1"
        loaded = Artifact.from_uri("art://sft-data:v1")
    assert isinstance(loaded, SFTDataArtifact)
    assert loaded.pack_size == 4096

    listed = nemotron("ls", "--root", root, "--quiet")
    assert listed.split() == ["sft-data", "sft-model"]
    manifest = json.loads(nemotron("show", "sft-model:latest", "--root", root, "--json"))
    assert manifest["used_artifacts"] == ["sft-data:v1"]


def test_doctor_says_what_a_careless_store_would_lose(careless_root: str) -> None:
    report = nemotron("doctor", careless_root, code=1)
    assert "conditional write" in report
    assert "single_writer" in report
