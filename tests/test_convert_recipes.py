"""Conversions in a whole chain of nano3, on the frameworks' doubles; and by itself, as one file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.lineage import lineage_graph
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.packaging import SelfContainedPackager, compose_for_package
from nemo_runspec.runspec import discover_recipes, parse

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes"
DOUBLES = [
    ROOT / "packages" / f"nemotron-kit-{name}" / "tests" / "double"
    for name in ("megatron", "nemorl")
]
FAMILIES = ("nano3", "super3")

# Stands in for torchrun where torch is not installed.
TORCHRUN = """
import os, sys

script = next(at for at, word in enumerate(sys.argv) if word.endswith(".py") and at)
os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
os.execv(sys.executable, [sys.executable, *sys.argv[script:]])
"""
# Stands in for the driver of NeMo-RL: it loads a Hugging Face model, and saves as Megatron does.
DRIVER = """
import argparse
from pathlib import Path

from omegaconf import OmegaConf
from nemo_rl.utils.checkpoint import CheckpointManager

parser = argparse.ArgumentParser()
parser.add_argument("--config")
config = OmegaConf.to_container(OmegaConf.load(parser.parse_known_args()[0].config), resolve=True)
assert Path(config["policy"]["model_name"], "model.safetensors").is_file()
saved = {**config["checkpointing"], "metric_name": "reward", "keep_top_k": 3}
checkpoints = CheckpointManager(saved)
for step in (5, 10):
    working = Path(checkpoints.init_tmp_checkpoint(step, {"reward": step}))
    weights = working / "policy" / "weights" / "iter_0000000"
    weights.mkdir()
    (weights / "run_config.yaml").write_text("model: {}")
    checkpoints.begin_finalization(working)
checkpoints.shutdown()
"""


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Processes started from here find the doubles; the reference model lies there too."""
    for name in ("NEMOTRON_ENV", "NEMOTRON_RECIPES", "NEMOTRON_ARTIFACTS_ROOT", "NEMOTRON_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    launcher = tmp_path / "frameworks" / "torch" / "distributed" / "run.py"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(TORCHRUN)
    ray = tmp_path / "frameworks" / "ray"  # looked for; the stand-in of the driver needs none
    ray.mkdir()
    for package in (launcher.parent, launcher.parent.parent, ray):
        (package / "__init__.py").touch()
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "base.yaml").write_text("policy: {}\n")
    reference = tmp_path / "reference"
    reference.mkdir()
    (reference / "config.json").write_text(json.dumps({"weights": ["embedding", "layer"]}))
    (reference / "tokenizer.json").write_text("reference")
    places = [*DOUBLES, tmp_path / "frameworks"]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, places)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def nemotron(*words: str, code: int = 0) -> Any:
    command = [sys.executable, "-m", "nemotron", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout)


def test_the_whole_chain_of_nano3_converts_between_its_stages(workplace: Path) -> None:
    reference = f"hf_model={workplace}/reference"
    stopped = nemotron(
        "nano3",
        "pipe",
        *("-c", "sample", "--to", "rl/convert"),
        "sft:run.model=nano3-pretrain-model-sample:latest",
        f"sft/convert:{reference}",
        "sft/convert:architecture=own",
        "rl:run.model=nano3-sft-model-sample-hf:latest",
        f"rl:nemo_rl.driver={workplace}/driver.py",
        f"rl:nemo_rl.base={workplace}/base.yaml",
        f"rl/convert:{reference}",
        code=2,
    )
    states = {stage["name"]: stage["state"] for stage in stopped["stages"]}
    assert states["sft"] == "succeeded"
    assert states["sft/convert"] == "failed"
    assert states["rl"] == states["rl/convert"] == "waiting"

    done = nemotron("nano3", "pipe", "--resume", "sft/convert:architecture=checkpoint")
    made = {stage["name"]: stage["artifact"] for stage in done["stages"]}
    assert made["sft/convert"] == "nano3-sft-model-sample-hf:v1"
    assert made["rl/convert"] == "nano3-rl-model-sample-hf:v1"
    store = ManifestTracker(workplace / "artifacts")
    converted = store.read("nano3-rl-model-sample-hf", 1)
    assert (converted.fields or {})["format"] == "hf"
    assert (converted.fields or {})["step"] == 10
    above = lineage_graph(store, "nano3-rl-model-sample-hf:v1", direction="up").nodes
    assert {
        "nano3-rl-model-sample:v2",
        "nano3-sft-model-sample-hf:v1",
        "nano3-sft-model-sample:v2",
        "nano3-pretrain-model-sample:v2",
        "nano3-pretrain-data-sample:v1",
        "nano3-rl-data-sample:v1",
    } <= above.keys()
    # The tokenizer of the tuned model is the one that it was trained with, not the reference's.
    tuned = Path(str(store.read("nano3-sft-model-sample-hf", 1).path))
    assert (tuned / "tokenizer.json").read_text() != "reference"

    again = nemotron(
        *("nano3", "model", "convert", "-c", "sample", reference),
        *("--art.model", "nano3-sft-model-sample:v2"),
    )
    assert again["summary"]["cache"] == "hit"
    assert [(each["ref"], each["reused"]) for each in again["artifacts"]] == [
        ("nano3-sft-model-sample-hf:v1", True)
    ]
    refused = nemotron(
        *("nano3", "rl", "-c", "sample", "--art.model", "nano3-sft-model-sample:v2", "--dry-run"),
        code=1,
    )
    assert refused["error"]["what"].endswith(
        "reads a model of the format hf, and nano3-sft-model-sample:v2 is megatron."
    )
    convert = "nemotron nano3 model convert --art.model nano3-sft-model-sample:v2 -c sample"
    assert convert in refused["error"]["hint"]
    missing = nemotron("nano3", "eval", "-c", "tiny", "--dry-run", code=1)
    convert = "nemotron nano3 model convert --art.model nano3-rl-model-tiny -c tiny"
    assert missing["error"]["hint"] == f"Run `{convert}` first."


@pytest.fixture
def packaged(workplace: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Packages a recipe with its configuration, and runs the one file as a job does."""

    def run(script: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
        settings = [f"artifacts.manifest.root={workplace}/store", *overrides]
        recipe = parse(script)
        recipes = discover_recipes([RECIPES]).recipes
        config = compose_for_package(recipe, config="default", overrides=settings, recipes=recipes)
        job = SelfContainedPackager().package(recipe.path, workplace / "job", config=config)
        command = [sys.executable, str(job.main), "--config", str(job.config)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("family", FAMILIES)
def test_a_step_of_nemo_rl_is_converted_by_the_one_file(
    family: str, workplace: Path, packaged: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    step = workplace / "rl" / "step_5"
    (step / "policy" / "weights").mkdir(parents=True)
    (step / "policy" / "weights" / ".metadata").write_text("x")
    (step / "config.yaml").write_text("policy: {model_name: org/model}\n")
    model = ModelArtifact(
        path=step.parent, step=5, format="dcp", metadata={"absolute_path": str(step)}
    )
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": f"{workplace}/store"}}}):
        log_artifact(model, name=f"{family}-rl-model")
    done = packaged(
        RECIPES / family / "convert" / "convert.py",
        f"run.model={family}-rl-model:latest",
        f"output_dir={workplace}/hf",
        "hf_model=null",
    )
    assert done.returncode == 0, done.stderr
    made = ManifestTracker(workplace / "store").read(f"{family}-rl-model-hf", 1)
    assert made.used_artifacts == [f"{family}-rl-model:v1"]
    given = json.loads(Path(str(made.path), "config.json").read_text())
    assert given["model"] == "org/model"

    # What was packaged without a look at the store is checked where the job starts.
    first = {"nano3": "rl", "super3": "rl/rlvr1"}[family]
    trains = next(
        each for each in discover_recipes([RECIPES]).recipes if each.name == f"{family}/{first}"
    )
    refused = packaged(trains.path, f"run.model={family}-rl-model", "run.data=null")
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        "error: run.model: The recipe reads a model of the format hf, and "
        f"{family}-rl-model:v1 is dcp. "
        f"Convert it: nemotron {family} model convert --art.model {family}-rl-model:v1"
    )


@pytest.mark.parametrize("given", ["nothing", "a checkpoint, beside NeMo-RL"])
def test_without_the_framework_one_sentence_names_the_container(
    workplace: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = workplace / "saved"
    (saved / "iter_0000007").mkdir(parents=True)
    (saved / "iter_0000007" / "run_config.yaml").touch()
    alone = given == "nothing"
    monkeypatch.setenv("PYTHONPATH", "" if alone else str(DOUBLES[1]))
    words = [] if alone else [f"run.model={saved}/iter_0000007"]
    for family in FAMILIES:
        script = RECIPES / family / "convert" / "convert.py"
        done = subprocess.run(
            [sys.executable, str(script), *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith(
            "error: Megatron-Bridge is not installed here; this recipe runs in the container "
            f"{parse(script).image}. Send it there with --run PROFILE."
        )
        assert len(done.stderr.splitlines()) == 1
