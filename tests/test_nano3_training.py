"""The training recipes up to the frameworks, which stand here as the calls that recipes make."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import OmegaConf

from nemo_runspec.artifacts import (
    ModelArtifact,
    PretrainBlendsArtifact,
    SFTDataArtifact,
    SplitJsonlDataArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.packaging import SelfContainedPackager, compose_for_package
from nemo_runspec.runspec import parse

RECIPES = Path(__file__).parent.parent / "recipes" / "nano3"

BRIDGE = {
    "megatron/bridge/__init__.py": "",
    "megatron/bridge/recipes/__init__.py": "",
    "megatron/bridge/recipes/nemotronh.py": """
from types import SimpleNamespace as Space

def nemotron_3_nano_sft_config():
    return Space(
        model=Space(seq_length=2048),
        dataset=None,
        train=Space(train_iters=1000, global_batch_size=128),
        checkpoint=Space(pretrained_checkpoint=None, save=None, load=None, save_interval=100),
        logger=Space(wandb_project=None, wandb_entity=None),
    )

def nemotron_3_nano_pretrain_config():
    config = nemotron_3_nano_sft_config()
    config.dataset = Space(blend=["old"], blend_per_split=None, split="1,1,1")
    return config
""",
    "megatron/bridge/data/__init__.py": "",
    "megatron/bridge/data/loaders.py": """
import json

def get_blend_and_blend_per_split(per_split_data_args_path):
    blends = json.load(open(per_split_data_args_path))
    return None, [blends["train"], blends["valid"], blends["test"]]
""",
    "megatron/bridge/data/builders.py": """
class GPTSFTDatasetConfig:
    def __init__(self, **fields):
        self.__dict__.update(fields)
""",
    "megatron/bridge/data/packing.py": """
class PackedSequenceSpecs:
    def __init__(self, **fields):
        self.__dict__.update(fields)
""",
    "megatron/bridge/training/__init__.py": "",
    "megatron/bridge/training/gpt_step.py": "def forward_step(): ...\n",
    "megatron/bridge/training/utils/__init__.py": "",
    "megatron/bridge/training/utils/wandb_utils.py": """
def on_save_checkpoint_success(checkpoint_path, save_dir, iteration, wandb_writer): ...
""",
    "megatron/bridge/training/finetune.py": """
import json, pathlib
from megatron.bridge.training.utils import wandb_utils

def finetune(config, forward_step_func):
    assert forward_step_func.__name__ == "forward_step"
    save = pathlib.Path(config.checkpoint.save)
    checkpoint = save / "iter_0000010"
    checkpoint.mkdir(parents=True)
    text = json.dumps(config, default=lambda value: value.__dict__)
    (save / "seen.json").write_text(text)
    wandb_utils.on_save_checkpoint_success(str(checkpoint), str(save), 10, None)
""",
    "megatron/bridge/training/pretrain.py": (
        "from megatron.bridge.training.finetune import finetune as pretrain\n"
    ),
}

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
        for artifact, name in _inputs(tmp_path):
            log_artifact(artifact, tracking, name=name)
    return tmp_path


def _inputs(folder: Path) -> list[tuple[Any, str]]:
    (folder / "blend").mkdir()
    blend = {"train": [1.0, "a"], "valid": [1.0, "b"], "test": None}
    (folder / "blend" / "blend.json").write_text(json.dumps(blend))
    packs = {"training_path": "/d/train", "validation_path": "/d/valid"}
    prompts = {"train_path": "/r/t.jsonl", "val_path": "/r/v.jsonl"}
    return [
        (PretrainBlendsArtifact(path=folder / "blend"), "nano3-pretrain-data-sample"),
        (SFTDataArtifact(path=folder / "d", pack_size=512, **packs), "nano3-sft-data-sample"),
        (SplitJsonlDataArtifact(path=folder / "r", **prompts), "nano3-rl-data-sample"),
        (ModelArtifact(path="/ckpt", step=1), "nano3-pretrain-model"),
    ]


def nemotron(*words: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "nemotron", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@pytest.mark.parametrize("stage", ["pretrain", "sft", "rl"])
def test_a_dry_run_of_every_stage_resolves_its_data(workplace: Path, stage: str) -> None:
    document = nemotron("nano3", stage, "-c", "sample", "--dry-run")
    (item,) = document["inputs"]
    assert item["pinned"] == f"nano3-{stage}-data-sample:v1"
    train = document["train_config"]
    shown = {
        "pretrain": lambda: train["data"]["per_split_data_args_path"],
        "sft": lambda: train["dataset"]["offline_packing_specs"]["packed_train_data_path"],
        "rl": lambda: train["data"]["train"]["data_path"],
    }
    expected = {"pretrain": f"{workplace}/blend/blend.json", "sft": "/d/train", "rl": "/r/t.jsonl"}
    assert shown[stage]() == expected[stage]


@pytest.mark.parametrize(
    ("stage", "framework", "image"),
    [
        ("0_pretrain", "Megatron-Bridge", "nemo:25.11.nemotron_3_nano"),
        ("1_sft", "Megatron-Bridge", "nemo:25.11.nemotron_3_nano"),
        ("2_rl", "NeMo-RL", "nemo-rl:v0.4.0.nemotron_3_nano"),
    ],
)
def test_without_the_framework_a_script_names_its_container(
    workplace: Path, stage: str, framework: str, image: str
) -> None:
    script = RECIPES / f"stage{stage}" / "train.py"
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {framework} is not installed here; this recipe runs in the container "
        f"nvcr.io/nvidia/{image}.\n"
    )


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
    for name, text in {**BRIDGE, **NEMO_RL}.items():
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


def run_bridge(workplace: Path, stage: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    return run_script(workplace, stage, f"checkpoint.save={workplace}/saved", *overrides)


def test_sft_hands_its_data_over_and_records_the_checkpoint(workplace: Path) -> None:
    done = run_bridge(workplace, "1_sft", "run.model=nano3-pretrain-model:latest")
    assert done.returncode == 0, done.stderr
    seen = json.loads((workplace / "saved" / "seen.json").read_text())
    assert seen["model"]["seq_length"] == 512
    assert seen["train"] == {"train_iters": 10, "global_batch_size": 8}
    assert seen["dataset"]["offline_packing_specs"]["packed_train_data_path"] == "/d/train"
    manifest = ManifestTracker(workplace / "artifacts").read("nano3-model-sample", 1)
    assert (manifest.type, manifest.metadata["step"]) == ("ModelArtifact", 10)
    assert "nano3-sft-data-sample:v1" in manifest.used_artifacts


def test_pretraining_uses_the_splits_of_the_blend(workplace: Path) -> None:
    done = run_bridge(workplace, "0_pretrain")
    assert done.returncode == 0, done.stderr
    seen = json.loads((workplace / "saved" / "seen.json").read_text())
    assert seen["dataset"] == {
        "blend": None,
        "blend_per_split": [[1.0, "a"], [1.0, "b"], None],
        "split": None,
    }


def test_a_setting_that_the_framework_lacks_is_an_error(workplace: Path) -> None:
    done = run_bridge(workplace, "1_sft", "+train.train_itres=3")
    assert done.returncode == 2
    assert done.stderr == "error: Megatron-Bridge has no setting 'config.train.train_itres'.\n"


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


def commit_of(folder: Path) -> str:
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_one_file_trains_like_its_recipe_and_says_where_it_comes_from(workplace: Path) -> None:
    recipe = parse(RECIPES / "stage1_sft" / "train.py")
    settings = [
        f"artifacts.manifest.root={workplace}/artifacts",
        f"checkpoint.save={workplace}/saved",
        "run.model=nano3-pretrain-model:latest",
    ]
    config = compose_for_package(recipe, config="sample", overrides=settings)
    job = SelfContainedPackager().package(recipe.path, workplace / "job", config=config)
    # The working directory of the job is another checkout, whose commit says nothing.
    for arguments in (["init", "--quiet"], ["commit", "--quiet", "--allow-empty", "-m", "Other"]):
        identity = ("-c", "user.name=demo", "-c", "user.email=demo@example.com")
        subprocess.run(["git", "-C", str(workplace), *identity, *arguments], check=True)

    done = run_with_frameworks(workplace, str(job.main), "train.train_iters=7")
    assert done.returncode == 0, done.stderr
    seen = json.loads((workplace / "saved" / "seen.json").read_text())
    assert seen["train"] == {"train_iters": 7, "global_batch_size": 8}
    manifest = ManifestTracker(workplace / "artifacts").read("nano3-sft-model-sample", 1)
    assert manifest.metadata["step"] == 10
    assert "nano3-sft-data-sample:v1" in manifest.used_artifacts
    provenance = manifest.provenance
    assert provenance["git_commit"] == commit_of(RECIPES) != commit_of(workplace)
    assert provenance["runspec"] == "nano3/sft"
    assert provenance["image"] == recipe.image
    assert provenance["packages"]["omegaconf"] == metadata.version("omegaconf")
    assert provenance["config_digest"] != config.run.provenance.config_digest
