from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    Tracker,
    backends,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.artifacts.backends import (
    BackendSetup,
    Delivery,
    Preflight,
    TrackingBackend,
    find_backend,
    open_tracker,
    register_tracker,
)
from nemo_runspec.artifacts.opening import join_tracking
from nemo_runspec.errors import ArtifactNotFoundError, ConfigError, MissingDependencyError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.resolvers import pin_references, register_resolvers_from_config


class Service:
    """A backend of another distribution, which numbers versions by itself and can name edges."""

    backend = "wandb"

    def __init__(self, setup: BackendSetup) -> None:
        self.owner = f"{setup.settings.get('entity')}/{setup.settings.get('project')}"
        self.logged: list[Lineage] = []

    def log(self, artifact: Artifact, *, name: str, lineage: Lineage) -> LoggedArtifact:
        self.logged.append(lineage)
        return LoggedArtifact(name, artifact.version)

    def resolve(self, reference: ArtifactReference) -> ResolvedArtifact:
        if reference.name != "theirs":
            raise ArtifactNotFoundError(f"The service has no {reference.name!r}.", hint="Not here.")
        full = f"{reference.owner or self.owner}/theirs:v3"
        document = {"path": "/theirs"}
        return ResolvedArtifact(
            "theirs", 3, "Artifact", "dataset", "/theirs", document, "service", full
        )

    def edge_name(self, reference: str) -> str:
        return f"{self.owner}/manifest-{reference}"


class Offered:
    """What that distribution's entry point names."""

    def __init__(self) -> None:
        self.opened: list[BackendSetup] = []
        self.trackers: list[Service] = []

    def open(self, setup: BackendSetup) -> Tracker:
        self.opened.append(setup)
        self.trackers.append(Service(setup))
        return self.trackers[-1]

    def preflight(self, settings: Mapping[str, Any]) -> Preflight:
        return Preflight(environment={"PROJECT": str(settings["project"])})

    def pending(self, run_dir: Path) -> Sequence[Delivery]:
        return [Delivery(run_dir.name, "pending")]

    def deliver(self, run_dir: Path) -> Sequence[Delivery]:
        return [Delivery(run_dir.name, "delivered")]


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_PROJECT", "WANDB_ENTITY", "NEMOTRON_ENV", "NEMOTRON_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Offered:
    monkeypatch.setattr(backends, "_registered", {})
    one = Offered()
    register_tracker("wandb", one)
    return one


def config(root: Path | None = None, **run: Any) -> dict[str, Any]:
    manifest = {"root": None if root is None else str(root)}
    return {"artifacts": {"manifest": manifest, "wandb": True}, "run": run}


def names(offered: Offered) -> dict[str, str]:
    return dict(offered.opened[-1].settings)


def test_project_and_entity_come_from_the_configuration_first(
    offered: Offered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "env.toml").write_text('[wandb]\nproject = "file"\nentity = "file-team"\n')
    setup_artifact_tracking(config())
    assert names(offered) == {"project": "file", "entity": "file-team"}
    monkeypatch.setenv("WANDB_PROJECT", "variable")
    setup_artifact_tracking(config())
    assert names(offered) == {"project": "variable", "entity": "file-team"}
    setup_artifact_tracking(config(wandb={"project": "own", "entity": None}))
    assert names(offered) == {"project": "own", "entity": "file-team"}


def test_the_section_of_the_references_is_the_one_that_is_read(offered: Offered) -> None:
    job = {**config(), "job": {"wandb": {"project": "${name}"}}, "name": "mine"}
    setup_artifact_tracking(job, artifacts_key="job")
    assert names(offered) == {"project": "mine"}


def test_nothing_is_named_where_nobody_names_it(offered: Offered) -> None:
    setup_artifact_tracking(config())
    assert names(offered) == {}


def test_a_project_that_is_no_name(offered: Offered) -> None:
    with pytest.raises(ConfigError, match=r"run.wandb.project: It must be a name or null, not 3"):
        setup_artifact_tracking(config(wandb={"project": 3}))
    with pytest.raises(ConfigError, match=r"run.wandb.*cannot be resolved"):
        setup_artifact_tracking(config(wandb={"project": "${nowhere}"}))
    assert offered.opened == []


def test_a_backend_beside_manifests_is_opened_as_the_best_effort_one(
    offered: Offered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup_artifact_tracking(config())
    assert (offered.opened[-1].best_effort, offered.opened[-1].run_dir) == (False, None)
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path / "run"))
    setup_artifact_tracking(config(tmp_path / "store"))
    assert (offered.opened[-1].best_effort, offered.opened[-1].run_dir) == (True, tmp_path / "run")


@pytest.mark.parametrize("mode", ["active_run", "pre_init", None])
def test_the_mode_of_resolution_reaches_the_backend(offered: Offered, mode: Any) -> None:
    from omegaconf import OmegaConf

    register_resolvers_from_config(OmegaConf.create(config()), mode=mode)
    assert offered.opened[-1].mode == mode


def test_a_process_that_joins_opens_the_same_backend(
    offered: Offered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path / "run"))
    wanted = config(tmp_path / "store", wandb={"project": "own", "entity": "team"})
    with setup_artifact_tracking(wanted):
        first = offered.opened[-1]
        assert join_tracking() is not None
    assert len(offered.opened) == 2
    assert offered.opened[-1] == first


def test_what_makes_a_tracker_is_a_backend_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_registered", {})
    one = Service(BackendSetup())
    register_tracker("wandb", lambda: one)
    assert open_tracker("wandb") is one
    backend = find_backend("wandb")
    assert isinstance(backend, TrackingBackend)
    assert backend.preflight({}) == Preflight()
    assert (list(backend.pending(Path("run"))), list(backend.deliver(Path("run")))) == ([], [])


def test_a_backend_that_nobody_offers() -> None:
    with pytest.raises(MissingDependencyError, match=r"Install one \(nemotron-kit-mlflow\)"):
        find_backend("mlflow")


def test_a_key_is_not_in_the_text_of_a_preflight() -> None:
    assert "secret" not in repr(Preflight(environment={"KEY": "secret"}))


def test_the_manifest_resolves_and_the_service_names_the_edge(
    offered: Offered, tmp_path: Path
) -> None:
    manifests = ManifestTracker(tmp_path / "store")
    manifests.log(ModelArtifact(path=tmp_path, step=1), name="ours", lineage=Lineage())
    wanted = config(tmp_path / "store", model="ours:latest", wandb={"project": "p", "entity": "e"})
    tracking = setup_artifact_tracking(wanted)
    assert tracking.qualified_names == ["e/p/manifest-ours:v1"]
    assert tracking.inputs == ["ours:v1"]
    assert offered.trackers[-1].owner == "e/p"


def test_what_the_store_lacks_is_referred_to_by_its_full_name(
    offered: Offered, tmp_path: Path
) -> None:
    from omegaconf import OmegaConf

    wanted = config(
        tmp_path / "store",
        data="art://theirs:latest/part",
        wandb={"project": "p", "entity": "e"},
    )
    job = OmegaConf.create(wanted)
    assert pin_references(job).run.data == "art://e/p/theirs:v3/part"
    tracking = setup_artifact_tracking(job)
    assert tracking.qualified_names == ["e/p/theirs:v3"]
    logged = log_artifact(ModelArtifact(path=tmp_path, step=1), tracking, name="model")
    assert logged.ref == "model:v1"
    assert offered.trackers[-1].logged[0].used_artifacts == ["e/p/theirs:v3"]
    recorded = ManifestTracker(tmp_path / "store").find("model:v1")
    assert recorded.used_artifacts == ["e/p/theirs:v3"]
    pinned = pin_references(job).run.data
    assert tracking.resolve(pinned).path == "/theirs/part"


def test_what_nobody_has_is_said_of_both(offered: Offered, tmp_path: Path) -> None:
    assert offered.opened == []
    tracking = setup_artifact_tracking(config(tmp_path / "store"))
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'nobodys'") as caught:
        tracking.resolve("nobodys")
    assert "wandb: The service has no 'nobodys'." in str(caught.value)
