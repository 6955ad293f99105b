"""The recipes of reinforcement learning, packaged as one file, up to a driver that stands in.

The driver does what those of NeMo-RL do: it registers ``mul`` without looking, inherits from the
base, resolves everything, joins a cluster of Ray, and saves through a checkpoint manager that
deletes what is not among the best. The manager is the double that the contracts hold.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nemo_runspec.artifacts import (
    ModelArtifact,
    SplitJsonlDataArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.config import load_omegaconf_yaml
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.packaging import SelfContainedPackager, compose_for_package
from nemo_runspec.runspec import Runspec, parse

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes"
DOUBLE = ROOT / "packages" / "nemotron-kit-nemorl" / "tests" / "double"
SUB_STAGES = ("rlvr1", "rlvr2", "rlvr3", "swe1", "swe2", "rlhf")
SCRIPTS = [
    RECIPES / "nano3" / "stage2_rl" / "train.py",
    *(RECIPES / "super3" / "stage2_rl" / name / "train.py" for name in SUB_STAGES),
]

DRIVER = """
import argparse, json, os, sys
from pathlib import Path

import yaml
from omegaconf import OmegaConf
from nemo_rl.utils.checkpoint import CheckpointManager

OmegaConf.register_new_resolver("mul", lambda a, b: a * b)

parser = argparse.ArgumentParser()
parser.add_argument("--config")
known, overrides = parser.parse_known_args()
above = OmegaConf.load(known.config)
below = OmegaConf.load(above.pop("defaults"))
config = OmegaConf.to_container(OmegaConf.merge(below, above), resolve=True)
print(json.dumps(config))

saved = {**config["checkpointing"], "metric_name": "reward", "keep_top_k": 1}
checkpoints = CheckpointManager(saved)
for step, reward in ((5, 0.9), (10, 0.1), (15, 0.2)):
    working = checkpoints.init_tmp_checkpoint(step, {"reward": reward})
    (working / "policy" / "weights" / "iter_0000000").mkdir()
    checkpoints.begin_finalization(working)
checkpoints.shutdown()
"""

BASE = """
policy: {max_total_sequence_length: 1, tokenizer: {name: '${policy.model_name}'}}
budget: ${mul:${policy.max_total_sequence_length},${policy.train_global_batch_size}}
grpo: {max_num_steps: 1, num_prompts_per_step: 1}
logger: {wandb_enabled: false, wandb: {project: grpo-dev, name: grpo-dev}}
"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NEMOTRON_ENV", "NEMOTRON_RECIPES", "NEMOTRON_ARTIFACTS_ROOT", "NEMOTRON_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(DOUBLE, tmp_path / "packages")
    return tmp_path


def record_inputs(recipe: Runspec, workplace: Path, config: str) -> list[str]:
    """Record what a recipe reads; returns the pinned references."""
    run = load_omegaconf_yaml(recipe.config.dir / f"{config}.yaml").run
    prompts: dict[str, Any] = {"train_path": "/r/train.jsonl", "val_path": "/r/val.jsonl"}
    model = workplace / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    (model / "model.safetensors").write_bytes(b"")
    recorded: list[tuple[Any, str]] = [
        (SplitJsonlDataArtifact(path=workplace / "prompts", **prompts), run.data)
    ]
    if run.model is not None:
        recorded.append((ModelArtifact(path=model, step=1, format="hf"), run.model))
    tracked = {"artifacts": {"manifest": {"root": f"{workplace}/artifacts"}}}
    with setup_artifact_tracking(tracked) as tracking:
        return [
            log_artifact(artifact, tracking, name=str(name).partition(":")[0]).ref
            for artifact, name in recorded
        ]


def run_packaged(
    script: Path, workplace: Path, *overrides: str, config: str = "default", **environ: str
) -> subprocess.CompletedProcess[str]:
    recipe = parse(script)
    settings = [
        f"artifacts.manifest.root={workplace}/artifacts",
        f"nemo_rl.driver={workplace}/nemo-rl/driver.py",
        f"nemo_rl.base={workplace}/nemo-rl/base.yaml",
        f"checkpointing.checkpoint_dir={workplace}/saved",
        *overrides,
    ]
    composed = compose_for_package(recipe, config=config, overrides=settings)
    job = SelfContainedPackager().package(recipe.path, workplace / "job", config=composed)
    # These are in the container, and not where a job is packaged.
    (workplace / "nemo-rl").mkdir()
    (workplace / "nemo-rl" / "driver.py").write_text(DRIVER)
    (workplace / "nemo-rl" / "base.yaml").write_text(BASE)
    return subprocess.run(
        [sys.executable, str(job.main)],
        env={**os.environ, "PYTHONPATH": f"{workplace}/packages", "SIF_DIR": "/sif", **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def seen_by(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What the driver resolved."""
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = yaml.safe_load(done.stdout)
    return seen


@pytest.mark.parametrize("script", [SCRIPTS[0], SCRIPTS[5]], ids=["nano3", "super3"])
def test_a_recipe_trains_on_what_it_reads_and_records_what_stays(
    script: Path, workplace: Path
) -> None:
    recipe = parse(script)
    pinned = record_inputs(recipe, workplace, "default")
    seen = seen_by(run_packaged(script, workplace))

    assert seen["policy"]["model_name"] == seen["policy"]["tokenizer"]["name"]
    assert seen["policy"]["model_name"] == f"{workplace}/model"
    paths = [seen["data"].get("train_jsonl_fpath"), seen["data"].get("validation_jsonl_fpath")]
    if paths == [None, None]:
        paths = [seen["data"][split]["data_path"] for split in ("train", "validation")]
    assert paths == ["/r/train.jsonl", "/r/val.jsonl"]
    grpo, policy = seen["grpo"], seen["policy"]
    # One update for each step, as the reports have it.
    rollouts = grpo["num_prompts_per_step"] * grpo["num_generations_per_prompt"]
    assert policy["train_global_batch_size"] == rollouts
    assert seen["budget"] == rollouts * policy["max_total_sequence_length"]
    assert not {"run", "artifacts", "nemo_rl", "defaults"} & seen.keys()

    tracker = ManifestTracker(workplace / "artifacts")
    name = f"{recipe.name.replace('/', '-')}-model"
    manifests = [tracker.read(name, version) for version in (1, 2, 3)]
    fields = [manifest.fields or {} for manifest in manifests]
    assert [(each["step"], each["format"]) for each in fields] == [
        (step, "megatron") for step in (5, 10, 15)
    ]
    assert all(sorted(manifest.used_artifacts) == sorted(pinned) for manifest in manifests)
    withdrawn = [tracker.withdrawal(name, version) is not None for version in (1, 2, 3)]
    assert withdrawn == [False, True, False]
    assert tracker.latest_version(name) == 3


@pytest.mark.parametrize("name", ["train.py", "data_prep.py"])
def test_the_scripts_differ_in_their_headers_only(name: str) -> None:
    texts = [script.with_name(name).read_text("utf-8") for script in SCRIPTS]
    assert len({text.partition("from __future__")[2] for text in texts}) == 1
    assert max(len(text.splitlines()) for text in texts) < 60


def test_without_the_framework_one_sentence_names_the_container(workplace: Path) -> None:
    for script in (SCRIPTS[0], SCRIPTS[5]):
        done = subprocess.run(
            [sys.executable, str(script)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1, done.stderr
        line = done.stderr
        assert line.startswith(
            "error: NeMo-RL is not installed here; this recipe runs in the container "
            f"{parse(script).image}. Send it there with --run PROFILE."
        )
