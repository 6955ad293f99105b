"""Where W&B is off, nothing imports it: neither the command, nor the job, nor the hooks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from wandb_server.server import KEY

TRAP = """
import os
with open(os.environ["TRAP"], "a") as file:
    file.write(f"{os.getpid()}\\n")
raise ImportError("wandb was imported")
"""
DOUBLE = Path(__file__).parents[2] / "packages" / "nemotron-kit-megatron" / "tests" / "double"
HOOK = """
import sys
sys.path.insert(0, {double!r})
from megatron.bridge.training.utils import wandb_utils
from nemo_runspec.artifacts import setup_artifact_tracking
from nemotron_kit_megatron import patch_manifest_checkpoint_logging

config = {{"run": {{"output": "model"}}, "artifacts": {{"manifest": {{"root": {root!r}}}}}}}
with setup_artifact_tracking(config) as tracking:
    patch_manifest_checkpoint_logging()
    wandb_utils.on_save_checkpoint_success("saved/iter_0000020", "saved", 20, None)
    print(tracking.manifest_tracker.read("model", 1).fields["step"])
"""
PREPARE = ("nano3", "data", "prep", "sft", "-c", "sample")
FACADES = """
import nemotron.kit, nemotron.kit.wandb, nemotron.kit.wandb_kit, nemotron.kit.trackers
from nemotron.kit import wandb_kit
from nemotron.kit.wandb import (
    WandbConfig, add_run_tags, finish_run, init_wandb_if_configured, load_wandb_config,
    log_wandb_config, patch_checkpoint_logging_both, patch_nemo_rl_checkpoint_logging,
    patch_wandb_init_for_lineage,
)
from nemotron.kit.train_script import init_wandb_from_env
assert init_wandb_if_configured(None) is None
assert init_wandb_if_configured(WandbConfig()) is None
assert init_wandb_from_env() is None
add_run_tags(["a"])
log_wandb_config({"lr": 1})
finish_run(exit_code=0)
"""


@pytest.fixture
def python(own_world, monkeypatch):
    """Run Python where importing wandb leaves a trace; return who did."""
    package = own_world / "trap" / "wandb"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(TRAP, "utf-8")
    trace = own_world / "imported.txt"
    monkeypatch.setenv("TRAP", str(trace))
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    monkeypatch.setenv("WANDB_API_KEY", KEY)

    def run(*words):
        trace.unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, *words], check=False, capture_output=True, text=True, env=os.environ
        )
        return done, trace.exists()

    return run


@pytest.mark.parametrize("env_toml", ["", "[wandb]\nproject = 'nemotron'\nentity = 'team'\n"])
def test_command_and_job_do_not_import_wandb(own_world, python, env_toml):
    (own_world / "env.toml").write_text(env_toml, "utf-8")
    for words in (PREPARE, ("artifacts", "ls"), ("artifacts", "show", "nano3-sft-data-sample")):
        done, imported = python("-m", "nemotron", *words, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)
        assert not imported


def test_facades_and_functions_without_a_project_do_not_import_wandb(python):
    done, imported = python("-c", FACADES)
    assert done.returncode == 0, done.stderr
    assert not imported


def test_a_training_that_records_manifests_does_not_import_wandb(own_world, python):
    done, imported = python("-c", HOOK.format(double=str(DOUBLE), root=str(own_world / "store")))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "20\n"
    assert not imported


def test_the_command_asks_the_server_without_the_client(server, own_world, python):
    (own_world / "env.toml").write_text("[wandb]\nproject = 'nemotron'\n", "utf-8")
    done, imported = python("-m", "nemotron", *PREPARE, "+artifacts.wandb=true", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert server.count("Viewer") == 1
    assert not imported


def test_the_job_imports_wandb_where_it_is_on(python, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "nemotron")
    script = "from nemotron_kit_wandb import init_wandb_from_env; init_wandb_from_env()"
    done, imported = python("-c", script)
    assert imported
    assert "wandb was imported" in done.stderr
