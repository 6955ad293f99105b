"""Data, a training that lets its framework start the W&B run, a reader: the graph is whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wandb_server import picture
from wandb_server.server import KEY

RECIPES = Path(__file__).parents[2] / "recipes" / "nano3"
ENV_TOML = """
[artifacts]
wandb = true

[wandb]
project = "nemotron"
entity = "team"
"""

# What the frameworks' own modules do with W&B; the recipes reach them through the same calls.
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
""",
    "megatron/bridge/data/__init__.py": "",
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
from pathlib import Path

def on_save_checkpoint_success(checkpoint_path, save_dir, iteration, wandb_writer):
    if wandb_writer:
        artifact = wandb_writer.Artifact(Path(save_dir).stem, type="model")
        artifact.add_reference(f"file://{checkpoint_path}", checksum=False)
        wandb_writer.run.log_artifact(artifact, aliases=[Path(checkpoint_path).stem])
""",
    "megatron/bridge/training/finetune.py": """
from pathlib import Path
from megatron.bridge.training.utils import wandb_utils

def finetune(config, forward_step_func):
    import wandb  # late, as the framework does
    wandb.init(project=config.logger.wandb_project, entity=config.logger.wandb_entity)
    for iteration in (10, 20):
        wandb.log({"loss": 1 / iteration}, step=iteration)
        checkpoint = Path(config.checkpoint.save, f"iter_{iteration:07d}")
        checkpoint.mkdir(parents=True)
        (checkpoint / "weights.bin").write_bytes(bytes(iteration))
        for _ in range(2):
            wandb_utils.on_save_checkpoint_success(
                str(checkpoint), config.checkpoint.save, iteration, wandb
            )
    wandb.finish()
""",
}

READER = """
import json
from omegaconf import OmegaConf
from nemo_runspec.artifacts import setup_artifact_tracking

fields = ("path", "iteration", "absolute_path", "type", "version", "framework")
config = OmegaConf.create({
    "run": {"model": "nano3-sft-model-sample:latest"},
    **{field: "${art:model,%s}" % field for field in fields},
})
with setup_artifact_tracking(config) as tracking:
    print(json.dumps({
        **{field: config[field] for field in fields}, "names": tracking.qualified_names,
    }))
"""


@pytest.fixture
def workplace(server, own_world):
    (own_world / "env.toml").write_text(ENV_TOML, "utf-8")
    for name, text in BRIDGE.items():
        file = own_world / "frameworks" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return own_world


def run(*command, **environment):
    done = subprocess.run(
        [sys.executable, *command],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=200,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert KEY not in done.stdout + done.stderr
    return done.stdout


def prepare(root):
    words = ("nano3", "data", "prep", "sft", "-c", "sample", "--json")
    document = json.loads(run("-m", "nemotron", *words, f"++artifacts.manifest.root={root}"))
    return document["artifacts"][0]


def train(workplace, root):
    folder = RECIPES / "stage1_sft"
    settings = [
        f"checkpoint.save={workplace}/saved",
        f"+artifacts.manifest.root={root}",
        "+run.output=nano3-sft-model-sample",
        "+run.wandb={project: nemotron, entity: team}",
    ]
    run_dir = workplace / ".nemotron" / "runs" / "train"
    run_dir.mkdir(parents=True)
    script, config = folder / "train.py", folder / "config" / "sample.yaml"
    run(
        *(str(script), "--config", str(config), *settings),
        PYTHONPATH=str(workplace / "frameworks"),
        NEMOTRON_RUN_DIR=str(run_dir),
    )


@pytest.mark.parametrize("backends", ["manifests and W&B", "W&B alone"])
def test_the_graph_from_data_to_model_is_whole(server, workplace, monkeypatch, backends):
    both = backends == "manifests and W&B"
    root = str(workplace / "store") if both else "null"
    data = prepare(root)
    train(workplace, root)
    seen = picture.take(server.state)
    by_kind = {told.job_type or "training": path for path, told in seen.runs.items()}
    assert sorted(by_kind) == ["data-prep", "training"]
    models = [f"team/nemotron/nano3-sft-model-sample:v{number}" for number in (0, 1)]
    packed = "team/nemotron/nano3-sft-data-sample:v0"
    assert seen.edges == {
        (by_kind["data-prep"], packed),
        (packed, by_kind["training"]),
        *((by_kind["training"], model) for model in models),
    }
    assert seen.upstream(models[1]) == {by_kind["data-prep"], packed, by_kind["training"]}
    assert sorted(seen.artifacts) == sorted([packed, *models])
    assert seen.pending == ()
    told = seen.runs[by_kind["training"]]
    assert (told.state, told.exit_code, told.tags) == ("finished", 0, ("sft",))
    assert [record["loss"] for record in told.history] == [0.1, 0.05]
    assert seen.runs[by_kind["data-prep"]].exit_code == 0
    assert data["ref"] == ("nano3-sft-data-sample:v1" if both else "nano3-sft-data-sample:v0")
    assert seen.artifacts[models[1]].aliases == ({"latest", "manifest-v2"} if both else {"latest"})

    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", root if both else "")
    found = json.loads(run("-c", READER).splitlines()[-1])
    assert found == {
        "path": f"{workplace}/saved",
        "iteration": 20,
        "absolute_path": f"{workplace}/saved/iter_0000020",
        "type": "model",
        "version": "v2" if both else "v1",
        "framework": "megatron-bridge",
        "names": [models[1].replace(":v1", ":manifest-v2") if both else models[1]],
    }
