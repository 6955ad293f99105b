from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import (
    ArtifactTrackingResult,
    ModelArtifact,
    SFTDataArtifact,
    log_artifact,
    log_artifact_once,
    setup_artifact_tracking,
)
from nemo_runspec.artifacts.opening import join_tracking
from nemo_runspec.config import config_digest
from nemo_runspec.errors import ConfigError
from nemo_runspec.events import CheckpointSaved, record_checkpoint
from nemo_runspec.manifest_tracker import ManifestTracker


def tracking(folder: Path, aliases: Any, **run: Any) -> ArtifactTrackingResult:
    config = {
        "artifacts": {"manifest": {"root": str(folder / "store")}},
        "run": {"aliases": aliases, **run},
    }
    return setup_artifact_tracking(OmegaConf.create(config))


@pytest.fixture
def store(tmp_path: Path) -> ManifestTracker:
    return ManifestTracker(tmp_path / "store")


def test_what_a_job_records_gets_its_aliases(tmp_path: Path, store: ManifestTracker) -> None:
    with tracking(tmp_path, ["candidate", "pipe-1"]) as active:
        for tokens in (1, 2):
            artifact = SFTDataArtifact(path=tmp_path, pack_size=8, total_tokens=tokens)
            log_artifact(artifact, active, name="data")
    assert store.aliases("data") == {"candidate": 2, "pipe-1": 2}


def test_an_artifact_that_was_recorded_before_gets_them_too(
    tmp_path: Path, store: ManifestTracker
) -> None:
    for aliases in (["one"], ["two"]):
        with tracking(tmp_path, aliases) as active:
            artifact = SFTDataArtifact(path=tmp_path, pack_size=8, total_tokens=1)
            logged = log_artifact_once(artifact, active, name="data")
    assert logged.reused
    assert store.aliases("data") == {"one": 1, "two": 1}


def test_they_move_with_each_checkpoint(tmp_path: Path, store: ManifestTracker) -> None:
    with tracking(tmp_path, ["pipe-1"], output="model") as active:
        for step in (10, 20, 30):
            record_checkpoint(CheckpointSaved(tmp_path / f"{step}", tmp_path, step, "test"), active)
    assert store.find("model:pipe-1").fields["step"] == 30


def test_they_never_step_back(tmp_path: Path, store: ManifestTracker) -> None:
    with tracking(tmp_path, []) as active:
        for step in (1, 2):
            log_artifact(ModelArtifact(path=tmp_path, step=step), active, name="model")
    store.move_aliases("model", 2, ["best"])
    store.move_aliases("model", 1, ["best"])
    assert store.aliases("model") == {"best": 2}


def test_another_process_of_the_job_gives_them_too(
    tmp_path: Path, store: ManifestTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path / "run"))
    with tracking(tmp_path, ["pipe-1"]):
        joined = join_tracking()
        assert joined is not None
        log_artifact(ModelArtifact(path=tmp_path, step=1), joined, name="model")
    assert store.aliases("model") == {"pipe-1": 1}


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ("best", "must be a list of aliases, not 'best'"),
        ({"a": 1}, "must be a list of aliases"),
        (["v3"], "'v3' cannot be an alias: it reads as a version"),
        (["a b"], "'a b' is no alias"),
        ([7], "7 is no alias"),
        (["${run.gone}"], "cannot be resolved"),
    ],
)
def test_a_wrong_alias_is_told_before_anything_is_recorded(
    tmp_path: Path, aliases: Any, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        tracking(tmp_path, aliases)
    assert str(caught.value.where).startswith("run.")


def test_an_alias_is_no_setting_and_no_reference(tmp_path: Path) -> None:
    with tracking(tmp_path, ["best"], data=str(tmp_path)) as active:
        assert active.inputs == [str(tmp_path)]
    one, other = (OmegaConf.create({"run": {"aliases": [name]}, "x": 1}) for name in "ab")
    assert config_digest(one) == config_digest(other)
