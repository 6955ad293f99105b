from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.artifacts import (
    Artifact,
    ArtifactReference,
    Lineage,
    LoggedArtifact,
    ModelArtifact,
    ResolvedArtifact,
    backends,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.artifacts.composite import CompositeTracker
from nemo_runspec.errors import ArtifactNotFoundError, StoreError
from nemo_runspec.events import CheckpointDispatcher, CheckpointSaved, record_checkpoint
from nemo_runspec.manifest_tracker import ManifestTracker


class Service:
    """A backend of another distribution: it works until it is broken."""

    backend = "wandb"

    def __init__(self) -> None:
        self.logged: list[tuple[str, str | None, int | None, list[str]]] = []
        self.broken = False

    def log(self, artifact: Artifact, *, name: str, lineage: Lineage) -> LoggedArtifact:
        self._answer()
        self.logged.append((name, artifact.name, artifact.version, lineage.used_artifacts))
        return LoggedArtifact(name, version=7)

    def resolve(self, reference: ArtifactReference) -> ResolvedArtifact:
        self._answer()
        if reference.name != "theirs":
            raise ArtifactNotFoundError(f"The service has no {reference.name!r}.")
        document = {"path": "/theirs"}
        return ResolvedArtifact("theirs", 3, "Artifact", "dataset", "/theirs", document, "service")

    def _answer(self) -> None:
        if self.broken:
            raise ConnectionResetError("the service is down")


class Refusing:
    """A store that records nothing."""

    backend = "manifest"

    def log(self, artifact: Artifact, *, name: str, lineage: Lineage) -> LoggedArtifact:
        raise StoreError("The disk is full.", where=f"{name}, {artifact.path}, {lineage.inputs}")

    def resolve(self, reference: ArtifactReference) -> ResolvedArtifact:
        raise StoreError("The disk is gone.", where=str(reference))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    monkeypatch.setattr(backends, "_registered", {})
    one = Service()
    backends.register_tracker("wandb", lambda: one)
    return one


@pytest.fixture
def manifests(tmp_path: Path) -> ManifestTracker:
    return ManifestTracker(tmp_path / "store")


def both(tmp_path: Path, **run: Any) -> dict[str, Any]:
    return {
        "artifacts": {"manifest": {"root": str(tmp_path / "store")}, "wandb": True},
        "run": run,
    }


def model(tmp_path: Path) -> ModelArtifact:
    return ModelArtifact(path=tmp_path / "model", step=1)


def test_every_backend_records_and_the_reliable_one_counts(
    service: Service, tmp_path: Path
) -> None:
    tracking = setup_artifact_tracking(both(tmp_path))
    assert (tracking.manifest, tracking.wandb) == (True, True)
    log_artifact(model(tmp_path), tracking, name="base")
    tracking.resolve("base:latest")
    logged = log_artifact(model(tmp_path), tracking, name="tuned")
    assert logged.ref == "tuned:v1"
    assert service.logged == [("base", "base", 1, []), ("tuned", "tuned", 1, ["base:v1"])]


def test_an_outage_of_a_service_costs_no_version(
    service: Service,
    manifests: ManifestTracker,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    tracking = setup_artifact_tracking(both(tmp_path))
    service.broken = True
    logged = log_artifact(model(tmp_path), tracking, name="model")
    assert manifests.find(logged.ref).version == 1
    assert "model:v1 is not recorded in wandb." in caplog.text
    assert "the service is down" in caplog.text


def test_where_the_reliable_backend_fails_the_others_are_not_asked(
    service: Service, tmp_path: Path
) -> None:
    tracker = CompositeTracker(Refusing(), [service])
    with pytest.raises(StoreError, match="The disk is full"):
        tracker.log(model(tmp_path), name="model", lineage=Lineage())
    assert service.logged == []
    with pytest.raises(StoreError, match="The disk is gone"):
        tracker.resolve(ArtifactReference("theirs"))


def test_a_backend_that_is_alone_is_the_reliable_one(service: Service, tmp_path: Path) -> None:
    config = both(tmp_path)
    config["artifacts"]["manifest"]["root"] = None
    tracking = setup_artifact_tracking(config)
    assert log_artifact(model(tmp_path), tracking, name="model").version == 7
    service.broken = True
    with pytest.raises(ConnectionResetError, match="the service is down"):
        log_artifact(model(tmp_path), tracking, name="model")


def test_the_reliable_backend_resolves_and_the_others_what_it_lacks(
    service: Service, manifests: ManifestTracker, tmp_path: Path
) -> None:
    manifests.log(model(tmp_path), name="ours", lineage=Lineage())
    tracking = setup_artifact_tracking(both(tmp_path, data="theirs", model="ours"))
    assert tracking.inputs == ["ours:v1", "theirs:v3"]
    assert tracking.resolve("team/project/theirs:v3").path == "/theirs"
    service.broken = True
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'nobodys'"):
        tracking.resolve("nobodys")


def test_no_failure_reaches_training(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = both(tmp_path, output="model")
    config["artifacts"]["manifest"]["root"] = None
    tracking = setup_artifact_tracking(config)
    service.broken = True
    dispatcher = CheckpointDispatcher([lambda event: record_checkpoint(event, tracking)])
    dispatcher.emit(CheckpointSaved(tmp_path / "iter_1", tmp_path, 1, framework="nemo-rl"))
    assert "was not recorded" in caplog.text
