"""Against the real client, in offline mode."""

from __future__ import annotations

import subprocess
import sys

import pytest
import wandb

from nemotron_kit_wandb import (
    WandbConfig,
    add_run_tags,
    add_wandb_tags,
    finish_run,
    finish_wandb,
    init_wandb_from_env,
    init_wandb_if_configured,
    log_wandb_config,
)

CONFIG = WandbConfig(
    project="nemotron",
    entity="my-team",
    run_name="experiment-001",
    tags=("pretrain", "nano3"),
    notes="First run",
)


def offline_runs(folder):
    return sorted(folder.glob("wandb_dir/wandb/offline-run-*/run-*.wandb"))


def test_a_configured_run_is_started_and_finished(tmp_path):
    run = init_wandb_if_configured(CONFIG, job_type="training", tags=("nano3", "tiny"))
    assert run is not None
    assert (run.project, run.entity, run.name) == ("nemotron", "my-team", "experiment-001")
    assert (run.job_type, run.notes) == ("training", "First run")
    assert run.tags == ("pretrain", "nano3", "tiny")
    finish_run(exit_code=0)
    assert wandb.run is None
    wandb.teardown()  # waits for the process that writes the file
    (file,) = offline_runs(tmp_path)
    assert b"experiment-001" in file.read_bytes()


@pytest.mark.parametrize("config", [None, WandbConfig(), WandbConfig(entity="my-team")])
def test_without_a_project_nothing_starts(tmp_path, config):
    assert init_wandb_if_configured(config) is None
    assert offline_runs(tmp_path) == []


def test_an_active_run_stays_and_gets_the_tags():
    first = init_wandb_if_configured(CONFIG)
    assert init_wandb_if_configured(WandbConfig(project="other", tags=("late",))) is first
    assert first.tags == ("pretrain", "nano3", "late")


def test_the_environment_names_project_and_entity(monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "from-env")
    monkeypatch.setenv("WANDB_ENTITY", "its-team")
    run = init_wandb_from_env(job_type="data-prep")
    assert run is not None
    assert (run.project, run.entity, run.job_type) == ("from-env", "its-team", "data-prep")


def test_an_environment_without_a_project_starts_nothing(monkeypatch):
    monkeypatch.setenv("WANDB_ENTITY", "its-team")
    assert init_wandb_from_env() is None


def test_tags_of_the_environment_stay_where_none_are_given(monkeypatch):
    monkeypatch.setenv("WANDB_TAGS", "from-env")
    run = init_wandb_if_configured(WandbConfig(project="nemotron"))
    assert run.tags == ("from-env",)


def test_tags_are_added_once():
    run = init_wandb_if_configured(CONFIG)
    add_run_tags(["sft", "nano3"])
    assert run.tags == ("pretrain", "nano3", "sft")
    assert add_wandb_tags is add_run_tags


def test_the_configuration_is_shown_without_its_secrets():
    run = init_wandb_if_configured(CONFIG)
    config = {"lr": 1e-4, "hub": {"token": "hf_abcdefghijklmnop"}, "data": "${art:data,path}"}
    log_wandb_config(config)
    assert run.config["lr"] == 1e-4
    assert run.config["hub"] == {"token": "***"}
    assert run.config["data"] == "${art:data,path}"


def test_a_failed_job_leaves_no_active_run():
    init_wandb_if_configured(CONFIG)
    finish_wandb(exit_code=3)
    assert wandb.run is None
    assert init_wandb_if_configured(CONFIG) is not None


def test_an_unreachable_server_is_one_clear_error(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "2")
    # A process of its own, left at once: the client goes on retrying when it is asked to end.
    script = (
        "import os\n"
        "from nemotron_kit_wandb import WandbConfig, WandbRunError, init_wandb_if_configured\n"
        "try:\n"
        "    init_wandb_if_configured(WandbConfig(project='nemotron', entity='my-team'))\n"
        "except WandbRunError as error:\n"
        "    print(error, flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120
    )
    assert "my-team/nemotron: W&B could not start a run (" in done.stdout
    assert "WANDB_MODE=offline" in done.stdout


def test_without_a_run_nothing_imports_wandb():
    script = (
        "import sys\n"
        "from nemotron_kit_wandb import *\n"
        "from nemotron_kit_wandb import WandbConfig, add_run_tags, finish_run\n"
        "from nemotron_kit_wandb import init_wandb_if_configured, log_wandb_config\n"
        "init_wandb_if_configured(WandbConfig())\n"
        "add_run_tags(['a']); log_wandb_config({'a': 1}); finish_run()\n"
        "sys.exit('wandb' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
