from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from nemo_runspec.artifacts import (
    ArtifactTrackingResult,
    LoggedArtifact,
    ModelArtifact,
    backends,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.events import (
    CheckpointDispatcher,
    CheckpointRecorder,
    CheckpointSaved,
    record_checkpoint,
)
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
    # What is no checkpoint of many steps has the one directory.
    imported = log_artifact(ModelArtifact(path=tmp_path, step=1), tracking)
    assert ManifestTracker(tmp_path).resolve(imported.ref).value("absolute_path") == str(tmp_path)


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


@pytest.fixture
def tracking(tmp_path: Path) -> Iterator[ArtifactTrackingResult]:
    root = str(tmp_path / "store")
    config = {"run": {"output": "model"}, "artifacts": {"manifest": {"root": root}}}
    with setup_artifact_tracking(config) as active:
        yield active


def written(folder: Path, iteration: int) -> CheckpointSaved:
    event = saved(folder / "checkpoints", iteration)
    event.path.mkdir(parents=True)
    return event


def in_use(tracking: ArtifactTrackingResult) -> list[int]:
    tracker = tracking.manifest_tracker
    assert tracker is not None
    return [n for n in tracker.versions("model") if tracker.withdrawal("model", n) is None]


def test_recorders_of_one_tracking_record_a_checkpoint_once_together(
    tracking: ArtifactTrackingResult, tmp_path: Path
) -> None:
    event = written(tmp_path, 20)
    recorders = [CheckpointRecorder(tracking) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda recorder: recorder.emit(event), recorders * 4))
    assert in_use(tracking) == [1]


def test_what_could_not_be_recorded_may_be_told_of_again(
    tracking: ArtifactTrackingResult, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    event, recorder = written(tmp_path, 20), CheckpointRecorder(tracking)
    in_the_way = tmp_path / "store" / "model"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.touch()
    recorder.emit(event)
    assert "iter_0000020 was not recorded" in caplog.text
    in_the_way.unlink()
    recorder.emit(event)
    assert in_use(tracking) == [1]


def test_versions_of_what_was_deleted_are_withdrawn_with_the_reason(
    tracking: ArtifactTrackingResult, tmp_path: Path
) -> None:
    recorder = CheckpointRecorder(tracking)
    first, second = written(tmp_path, 20), written(tmp_path, 40)
    for event in (first, second):
        recorder.emit(event)
    first.path.rmdir()
    recorder.sweep(reason="It was the worst.")
    recorder.sweep(reason="Again.")
    assert in_use(tracking) == [2]
    tracker = tracking.manifest_tracker
    assert tracker is not None
    notice = tracker.withdrawal("model", 1)
    assert notice is not None
    assert notice.reason == "It was the worst."


def test_what_this_process_never_saw_is_not_taken_for_deleted(
    tracking: ArtifactTrackingResult, tmp_path: Path
) -> None:
    recorder = CheckpointRecorder(tracking)
    (tmp_path / "checkpoints").mkdir()
    recorder.emit(saved(tmp_path / "checkpoints", 20))
    recorder.sweep(reason="It was the worst.")
    assert in_use(tracking) == [1]


class Listener:
    """A backend that hears of the start, and fails at it if it is told to."""

    backend = "wandb"

    def __init__(self) -> None:
        self.heard: list[ArtifactTrackingResult] = []
        self.broken = False

    def log(self, artifact: ModelArtifact, *, name: str, lineage: object) -> LoggedArtifact:
        raise NotImplementedError(artifact, name, lineage)

    def resolve(self, reference: object) -> NoReturn:
        raise NotImplementedError(reference)

    def training_started(self, tracking: ArtifactTrackingResult) -> None:
        if self.broken:
            raise ConnectionResetError("the service is down")
        self.heard.append(tracking)


def test_backends_that_listen_hear_of_the_start_and_may_fail_at_it(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    listener = Listener()
    monkeypatch.setitem(backends._registered, "wandb", lambda: listener)
    with setup_artifact_tracking({"artifacts": {"wandb": True}}) as tracking:
        CheckpointRecorder(tracking).training_started()
        listener.broken = True
        CheckpointRecorder(tracking).training_started()
    assert listener.heard == [tracking]
    assert "the service is down" in caplog.text
