from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.events import CheckpointDispatcher, CheckpointSaved, record_checkpoint
from nemo_runspec.manifest_tracker import ManifestTracker


def saved(save_dir: Path, iteration: int = 20) -> CheckpointSaved:
    path = save_dir / f"iter_{iteration:07d}"
    return CheckpointSaved(path, save_dir, iteration, framework="megatron-bridge", loss=2.5)


def test_a_checkpoint_becomes_a_model_artifact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMO_RUN_DIR", str(tmp_path / "job"))
    tracking = setup_artifact_tracking(
        {"artifacts": {"manifest": {"root": str(tmp_path)}}, "run": {"output": "nano3-sft-model"}}
    )
    logged = record_checkpoint(saved(Path("/nemo_run/sft")), tracking)
    model = ManifestTracker(tmp_path).resolve(logged.ref)
    assert model.ref == "nano3-sft-model:v1"
    assert model.path == str(tmp_path / "job" / "sft")
    assert model.value("absolute_path") == str(tmp_path / "job" / "sft" / "iter_0000020")
    assert (model.value("iteration"), model.value("step"), model.value("loss")) == (20, 20, 2.5)
    assert (model.value("framework"), model.value("type")) == ("megatron-bridge", "model")


def test_a_failing_handler_stops_neither_training_nor_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[CheckpointSaved] = []

    def fail(_event: CheckpointSaved) -> None:
        raise RuntimeError("the disk is gone")

    event = saved(tmp_path)
    CheckpointDispatcher([fail, seen.append]).emit(event)
    assert seen == [event]
    assert "the disk is gone" in caplog.text


def test_a_checkpoint_is_passed_on_once_whatever_thread_tells(tmp_path: Path) -> None:
    seen: list[CheckpointSaved] = []
    dispatcher = CheckpointDispatcher([seen.append])
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(dispatcher.emit, [saved(tmp_path)] * 64))
    dispatcher.emit(saved(tmp_path, 40))
    assert [event.iteration for event in seen] == [20, 40]


def test_what_a_container_sees_is_measured_and_the_host_path_recorded(tmp_path: Path) -> None:
    inside = tmp_path / "container" / "iter_0000020"
    inside.mkdir(parents=True)
    (inside / "weights").write_bytes(b"x" * 100)
    own = "/on/the/host/sft/iter_0000020"
    model = ModelArtifact(path=Path("/on/the/host/sft"), step=20, metadata={"absolute_path": own})
    model.see_at(inside)
    tracking = setup_artifact_tracking({"artifacts": {"manifest": {"root": str(tmp_path)}}})
    logged = log_artifact(model, tracking, name="nano3-sft-model")
    content = ManifestTracker(tmp_path).find(logged.ref).content
    assert content is not None
    assert (content.bytes, content.files, content.path) == (100, 1, own)
