from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_hub import WRITER, FakeHub
from omegaconf import OmegaConf

from nemo_runspec.artifacts import (
    Artifact,
    Lineage,
    ModelArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.manifest_tracker import ManifestTracker


def log(root: str, name: str = "model", step: int = 1) -> None:
    artifact = ModelArtifact(path=Path("/checkpoints/run"), step=step)
    ManifestTracker(root).log(artifact, name=name, lineage=Lineage())


@pytest.mark.parametrize(
    ("root", "kind", "repo", "folder"),
    [
        ("hf://team/artifacts", "models", "team/artifacts", ""),
        ("hf://team/artifacts/", "models", "team/artifacts", ""),
        ("hf://models/team/artifacts/a/b", "models", "team/artifacts", "a/b/"),
        ("hf://datasets/team/data/ünï & co", "datasets", "team/data", "ünï & co/"),
    ],
)
def test_where_a_root_lies(hub: FakeHub, root: str, kind: str, repo: str, folder: str) -> None:
    hub.create("team/data", "datasets")
    log(root)
    assert f"{folder}model/v1/manifest.json" in hub.repos[kind, repo].at("main").tree
    tracker = ManifestTracker(root)
    assert tracker.resolve("model").version == 1
    assert (tracker.names(), tracker.versions("model")) == (["model"], [1])
    assert tracker.manifest_location("model", 1) == f"{root.rstrip('/')}/model/v1/manifest.json"


@pytest.mark.parametrize(
    ("spelled", "branch"), [("dev", "dev"), ("a%2Fb", "a/b"), ("refs/pr/1", "refs/pr/1")]
)
def test_a_branch_is_apart(hub: FakeHub, spelled: str, branch: str) -> None:
    repo = hub.repos["models", "team/artifacts"]
    repo.commit(branch, "initial commit", {".gitattributes": b""})
    log(f"hf://team/artifacts@{spelled}/m", step=1)
    log("hf://team/artifacts/m", step=2)
    assert "m/model/v1/manifest.json" in repo.at(branch).tree
    on_branch = ManifestTracker(f"hf://team/artifacts@{spelled}/m")
    assert on_branch.resolve("model").value("step") == 1
    assert on_branch.names() == ["model"]


def test_a_repository_that_was_renamed(hub: FakeHub) -> None:
    hub.renamed["team/old-name"] = "team/artifacts"
    log("hf://team/old-name", step=1)
    log("hf://team/artifacts", step=2)
    tracker = ManifestTracker("hf://team/old-name")
    assert (tracker.resolve("model").version, tracker.versions("model")) == (2, [1, 2])
    assert len(hub.summaries("team/artifacts")) == 2


def test_listings_follow_every_page(hub: FakeHub, root: str) -> None:
    hub.page_size = 3
    for number in range(8):
        log(root, f"name-{number}")
    for step in range(7):
        log(root, "many", step)
    tracker = ManifestTracker(root)
    assert tracker.names() == sorted(["many", *(f"name-{n}" for n in range(8))])
    assert tracker.versions("many") == list(range(1, 8))


def test_nothing_is_kept_on_this_machine(
    hub: FakeHub, root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = (
        "import sys; from nemo_runspec.manifest_tracker import ManifestTracker\n"
        "print(ManifestTracker(sys.argv[1]).resolve('model').ref)\n"
    )
    log(root)
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "HF_HOME": str(home / "hf")}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, root],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert ran.stdout == "model:v1\n"
    assert list(home.rglob("*")) == []


def test_a_configuration_reads_through_a_reference(hub: FakeHub, root: str) -> None:
    log(root, step=300)
    config = OmegaConf.create(
        {
            "run": {"model": "model:latest"},
            "artifacts": {"manifest": {"root": root}},
            "step": "${art:model,step}",
            "path": "${art:model,path}",
        }
    )
    with setup_artifact_tracking(config) as tracking:
        assert (config.step, config.path) == (300, "/checkpoints/run")
        assert tracking.qualified_names == ["model:v1"]
        made = log_artifact(ModelArtifact(path=Path("/next"), step=1), tracking, name="next")
        assert made.manifest_path == f"{root}/next/v1/manifest.json"
        assert Artifact.from_uri("art://next:v1").path == Path("/next")
    assert ManifestTracker(root).read("next", 1).used_artifacts == ["model:v1"]


def nemotron(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("nemotron")
    return subprocess.run([program, *arguments], check=False, capture_output=True, text=True)


def test_the_command_lists_and_shows(hub: FakeHub, root: str) -> None:
    log(root, step=1)
    log(root, step=2)
    listed = nemotron("artifacts", "ls", "--root", root, "--quiet")
    assert listed.stdout.split() == ["model"], listed.stderr
    shown = nemotron("artifacts", "show", "model:v1", "--root", root, "--json")
    assert json.loads(shown.stdout)["metadata"]["step"] == 1, shown.stderr


def test_the_command_examines_and_keeps_order(hub: FakeHub, root: str) -> None:
    log(root, step=1)
    log(root, step=2)
    examined = nemotron("artifacts", "doctor", root)
    assert examined.returncode == 0, examined.stderr
    assert "commit" in examined.stdout
    named = nemotron("artifacts", "alias", "model:v1", "production", "--root", root)
    assert named.returncode == 0, named.stderr
    nemotron("artifacts", "withdraw", "model:v2", "--root", root, "--reason", "wrong split")
    tracker = ManifestTracker(root)
    assert tracker.resolve("model").version == 1
    assert tracker.aliases("model") == {"production": 1}


def test_the_command_says_in_one_sentence_what_is_wrong(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = nemotron("artifacts", "ls", "--root", "hf://team/missing")
    assert asked.returncode == 1
    words = " ".join(asked.stderr.split())
    assert "There is no model repository" in words
    assert "hf repos create team/missing --private" in words
    assert "Traceback" not in asked.stderr
    assert WRITER not in asked.stderr
