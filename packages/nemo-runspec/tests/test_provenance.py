from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.config.job import config_digest
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.provenance import collect_provenance

SCRIPT = """
from pathlib import Path
from nemo_runspec.artifacts import ModelArtifact, setup_artifact_tracking

with setup_artifact_tracking({"artifacts": {"manifest": {"root": "store"}}, "seed": 1}):
    ModelArtifact(path=Path("model"), step=1).save(name="model")
"""

RECIPE = """# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/sft"
# image = "demo:7"
# ///
"""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.com"]
    done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def checkout(folder: Path) -> str:
    """Make a repository with one commit, and return it."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    (folder / ".gitignore").write_text("ignored/\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return git(folder, "rev-parse", "HEAD")


def recorded_by(script: Path, cwd: Path) -> dict[str, Any]:
    """Run a script and read the provenance of what it recorded."""
    subprocess.run([sys.executable, str(script)], cwd=cwd, check=True, timeout=200)
    return ManifestTracker(cwd / "store").read("model", 1).provenance


def test_a_script_has_the_commit_of_its_own_checkout(tmp_path: Path) -> None:
    head = checkout(tmp_path / "code")
    script = tmp_path / "code" / "train.py"
    script.write_text(SCRIPT)
    (tmp_path / "elsewhere").mkdir()
    recorded = recorded_by(script, tmp_path / "elsewhere")
    assert (recorded["git_commit"], recorded["git_dirty"]) == (head, True)
    assert "runspec" not in recorded


def test_a_checkout_that_one_stands_in_says_nothing_about_the_script(tmp_path: Path) -> None:
    checkout(tmp_path / "unrelated")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    recorded = recorded_by(script, tmp_path / "unrelated")
    assert (recorded["git_commit"], recorded["git_dirty"]) == (None, None)


def test_a_folder_that_the_checkout_ignores_is_none_of_it(tmp_path: Path) -> None:
    head = checkout(tmp_path)
    (tmp_path / "ignored" / "site-packages").mkdir(parents=True)
    assert collect_provenance(tmp_path)["git_commit"] == head
    assert collect_provenance(tmp_path / "ignored" / "site-packages")["git_commit"] is None


def test_a_recipe_that_is_run_by_hand_says_which_it_is(tmp_path: Path) -> None:
    script = tmp_path / "recipe.py"
    script.write_text(RECIPE + SCRIPT)
    recorded = recorded_by(script, tmp_path)
    assert (recorded["runspec"], recorded["image"]) == ("demo/sft", "demo:7")
    assert recorded["config_values"] == {"seed": 1}
    assert recorded["config_digest"].startswith("sha256:")
    assert recorded["packages"]["nemo-runspec"]


def log_under(config: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    root = {"artifacts": {"manifest": {"root": str(tmp_path / "store")}}}
    with setup_artifact_tracking({**root, **config}) as tracking:
        logged = log_artifact(ModelArtifact(path=tmp_path / "m", step=1), tracking, name="model")
    return ManifestTracker(tmp_path / "store").find(logged.ref).provenance


def test_the_configuration_is_recorded_as_the_script_saw_it(tmp_path: Path) -> None:
    config = {
        "run": {"env": {"container": "img:3"}, "provenance": {"runspec": "demo/sft"}},
        "optimizer": {"lr": 5e-5, "betas": [0.9, 0.95]},
        "save": "${oc.env:HOME}/${name}",
        "name": "x",
        "hub": {"token": "abcdefgh"},
    }
    recorded = log_under(config, tmp_path)
    assert recorded["config_values"] == {
        "run": {"env": {"container": "img:3"}},
        "optimizer": {"lr": 5e-5, "betas": [0.9, 0.95]},
        "save": "${oc.env:HOME}/${name}",
        "name": "x",
        "hub": {"token": "***"},
    }
    assert recorded["runspec"] == "demo/sft"
    assert "abcdefgh" not in json.dumps(recorded)


def test_whatever_a_configuration_holds_is_recorded(tmp_path: Path) -> None:
    config = {"where": Path("/x"), "raw": b"ab", 3: {True: [Path("y")]}, "nan": float("nan")}
    recorded = log_under(config, tmp_path)["config_values"]
    assert recorded == {"where": "/x", "raw": "b'ab'", "3": {"True": ["y"]}, "nan": "NaN"}


def test_the_image_of_a_plain_script_is_its_configurations(tmp_path: Path) -> None:
    assert log_under({"run": {"env": {"container": "img:3"}}}, tmp_path)["image"] == "img:3"


def test_there_is_one_digest_of_a_configuration(tmp_path: Path) -> None:
    config = {"b": 1, "a": {"d": 1, "c": 2}, "run": {"output": "m"}}
    root = {"artifacts": {"manifest": {"root": str(tmp_path / "store")}}}
    digest = config_digest(OmegaConf.create({**root, **config}))
    assert log_under(config, tmp_path)["config_digest"] == digest
    assert log_under({**config, "b": 2}, tmp_path)["config_digest"] != digest


def test_the_jobs_of_a_scheduler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    assert log_under({"x": 1}, tmp_path)["job_ids"] == {"slurm": "77", "slurm_restart_count": "1"}
