"""The RL recipe up to the framework, which stands here as the calls that the recipe makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from nemo_runspec.artifacts import (
    SplitJsonlDataArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.manifest_tracker import ManifestTracker

RECIPES = Path(__file__).parent.parent / "recipes" / "nano3"

NEMO_RL = {
    "nemo_rl/__init__.py": "",
    "nemo_rl/utils/__init__.py": "",
    "nemo_rl/utils/checkpoint.py": """
import os

class CheckpointManager:
    def finalize_checkpoint(self, checkpoint_path):
        self._rename_checkpoint(checkpoint_path)

    def _rename_checkpoint(self, checkpoint_path):
        os.rename(checkpoint_path, str(checkpoint_path).replace("tmp_step", "step"))
""",
    "driver.py": """
import os, shutil, sys, yaml
from nemo_rl.utils.checkpoint import CheckpointManager

assert sys.argv[1] == "--config"
config = yaml.safe_load(open(sys.argv[2]))
working = os.path.join(config["checkpointing"]["checkpoint_dir"], "tmp_step_5")
os.makedirs(working)
shutil.copy(sys.argv[2], "seen.yaml")
CheckpointManager().finalize_checkpoint(working)
""",
}


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NEMOTRON_ENV", "NEMOTRON_RECIPES", "NEMOTRON_ARTIFACTS_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    config = OmegaConf.create({"artifacts": {"manifest": {"root": str(tmp_path / "artifacts")}}})
    with setup_artifact_tracking(config) as tracking:
        prompts = SplitJsonlDataArtifact(
            path=tmp_path / "r", train_path="/r/t.jsonl", val_path="/r/v.jsonl"
        )
        log_artifact(prompts, tracking, name="nano3-rl-data-sample")
    return tmp_path


def nemotron(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "nemotron", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_a_dry_run_resolves_its_data(workplace: Path) -> None:
    document = nemotron("nano3", "rl", "-c", "sample", "--dry-run")
    (item,) = document["inputs"]
    assert item["pinned"] == "nano3-rl-data-sample:v1"
    assert document["train_config"]["data"]["train"]["data_path"] == "/r/t.jsonl"


def run_script(workplace: Path, stage: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    folder = RECIPES / f"stage{stage}"
    command = [str(folder / "train.py"), "--config", str(folder / "config" / "sample.yaml")]
    settings = [
        f"+artifacts.manifest.root={workplace}/artifacts",
        "+run.output=nano3-model-sample",
        "+run.wandb={project: null, entity: null}",
    ]
    return run_with_frameworks(workplace, *command, *settings, *overrides)


def run_with_frameworks(workplace: Path, *command: str) -> subprocess.CompletedProcess[str]:
    for name, text in NEMO_RL.items():
        file = workplace / "frameworks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "PYTHONPATH": str(workplace / "frameworks")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_rl_starts_the_frameworks_own_driver_and_records_the_checkpoint(workplace: Path) -> None:
    done = run_script(
        workplace,
        "2_rl",
        f"nemo_rl.driver={workplace}/frameworks/driver.py",
        f"checkpointing.checkpoint_dir={workplace}/saved",
    )
    assert done.returncode == 0, done.stderr
    seen = yaml.safe_load((workplace / "seen.yaml").read_text())
    assert seen["defaults"] == "/opt/nemo-rl/examples/nemo_gym/grpo_nanov3.yaml"
    assert seen["data"]["train"] == {"data_path": "/r/t.jsonl"}
    assert not {"run", "artifacts", "nemo_rl"} & seen.keys()
    manifest = ManifestTracker(workplace / "artifacts").read("nano3-model-sample", 1)
    assert (manifest.type, manifest.metadata["step"]) == ("ModelArtifact", 5)
    assert manifest.used_artifacts == ["nano3-rl-data-sample:v1"]
