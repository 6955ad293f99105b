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

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "recipes" / "nano3"
# It starts a run of its own, late, and would log W&B artifacts of its own.
DOUBLE = ROOT / "packages" / "nemotron-kit-megatron" / "tests" / "double"
ENV_TOML = """
[artifacts]
wandb = true

[wandb]
project = "nemotron"
entity = "team"
"""

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
        f"checkpoint.pretrained_checkpoint={workplace}/base",
        f"+artifacts.manifest.root={root}",
        "+run.output=nano3-sft-model-sample",
        "+run.wandb={project: nemotron, entity: team}",
    ]
    (workplace / "base").mkdir()
    (workplace / "base" / "latest_checkpointed_iteration.txt").write_text("release")
    run_dir = workplace / ".nemotron" / "runs" / "train"
    run_dir.mkdir(parents=True)
    script, config = folder / "train.py", folder / "config" / "sample.yaml"
    run(
        *(str(script), "--config", str(config), *settings),
        PYTHONPATH=str(DOUBLE),
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
    assert (told.state, told.exit_code) == ("finished", 0)
    assert seen.runs[by_kind["data-prep"]].exit_code == 0
    assert data["ref"] == ("nano3-sft-data-sample:v1" if both else "nano3-sft-data-sample:v0")
    assert seen.artifacts[models[1]].aliases == ({"latest", "manifest-v2"} if both else {"latest"})

    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", root if both else "")
    found = json.loads(run("-c", READER).splitlines()[-1])
    assert found == {
        "path": f"{workplace}/saved",
        "iteration": 10,
        "absolute_path": f"{workplace}/saved/iter_0000010",
        "type": "model",
        "version": "v2" if both else "v1",
        "framework": "megatron-bridge",
        "names": [models[1].replace(":v1", ":manifest-v2") if both else models[1]],
    }
