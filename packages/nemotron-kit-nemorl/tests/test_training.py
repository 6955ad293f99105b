from __future__ import annotations

import logging
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from nemo_runspec.artifacts import (
    SplitJsonlDataArtifact,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.errors import ConfigError, ExecutionError
from nemotron_kit_nemorl import (
    driver_settings,
    require_framework,
    start_training,
    write_settings,
)

SECRET = "hf_" + "s" * 34


@pytest.fixture
def run_dir(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(folder))
    monkeypatch.setenv("HF_TOKEN", SECRET)
    return folder


@pytest.fixture
def tracking(tmp_path):
    """A store with prompts in it, which the tracking resolves."""
    root = {"artifacts": {"manifest": {"root": str(tmp_path / "store")}}}
    with setup_artifact_tracking(root) as active:
        prompts = SplitJsonlDataArtifact(path=tmp_path / "p", train_path="/p/train.jsonl")
        log_artifact(prompts, name="prompts")
        yield active


@pytest.fixture
def framework(tmp_path, nemo_rl_checkpoint):
    """A driver that says what it resolved, and a configuration to lay others above."""
    (tmp_path / "driver.py").write_text(
        "import sys; from pathlib import Path; from omegaconf import OmegaConf\n"
        "config = OmegaConf.load(sys.argv[2]); config.pop('defaults', None)\n"
        f"OmegaConf.save(config, {str(tmp_path / 'seen.yaml')!r}, resolve=True)\n"
    )
    (tmp_path / "base.yaml").write_text("grpo: {max_num_steps: 1}\nlogger: {wandb: {name: x}}\n")
    return {"driver": str(tmp_path / "driver.py"), "base": str(tmp_path / "base.yaml")}


def test_no_secret_is_in_the_file_and_the_driver_still_has_it(
    run_dir, tracking, framework, tmp_path
):
    config = OmegaConf.create(
        {
            "run": {"data": "prompts:v1", "token": "${oc.env:HF_TOKEN}", "name": "grpo"},
            "nemo_rl": framework,
            "policy": {
                "token": "${run.token}",
                "header": "Bearer ${policy.token}",
                "tokens": "${mul:${policy.length},2}",
                "length": 8,
            },
            "data": {"path": "${art:data,train_path}", "text": r"\${kept} as it is"},
            "logger": {"wandb": {"name": "${run.name}"}},
            "cache": "${oc.env:HF_TOKEN}/${art:data,train_path}",
        }
    )
    with setup_artifact_tracking(
        OmegaConf.merge(config, {"artifacts": {"manifest": {"root": str(tmp_path / "store")}}})
    ) as active:
        start_training(config, active)
    text = (run_dir / "nemo_rl.yaml").read_text("utf-8")
    assert SECRET not in text
    assert yaml.safe_load(text) == {
        "defaults": framework["base"],
        "policy": {
            "token": "${oc.env:HF_TOKEN}",
            "header": "Bearer ${policy.token}",
            "tokens": 16,
            "length": 8,
        },
        "data": {"path": "/p/train.jsonl", "text": r"\${kept} as it is"},
        "logger": {"wandb": {"name": "grpo"}},
        "cache": "${oc.env:HF_TOKEN}/${art:'prompts:v1',train_path}",
    }
    seen = yaml.safe_load((tmp_path / "seen.yaml").read_text("utf-8"))
    assert seen["policy"]["header"] == f"Bearer {SECRET}"
    assert seen["cache"] == f"{SECRET}//p/train.jsonl"
    assert seen["data"]["text"] == "${kept} as it is"


def test_what_depends_on_the_environment_through_our_sections_is_told():
    config = OmegaConf.create(
        {"run": {"user": "${oc.env:HOME}"}, "logger": {"wandb": {"name": "by ${run.user}"}}}
    )
    with pytest.raises(ConfigError, match=r"^logger\.wandb\.name: It depends on run\.user"):
        driver_settings(config)


def test_a_secret_as_it_is_is_refused(run_dir):
    config = OmegaConf.create({"logger": {"wandb": {"name": f"of {SECRET}"}}})
    with pytest.raises(ConfigError, match=r"^logger\.wandb\.name: .*Write \$\{oc\.env:NAME\}"):
        driver_settings(config)


def test_a_typing_error_is_warned_about(run_dir, framework, caplog):
    with caplog.at_level(logging.WARNING):
        write_settings(
            {"grpo": {"max_num_step": 5}, "logger": {"wandb": {"entity": "team"}}},
            Path(framework["base"]),
        )
    (record,) = caplog.records
    assert record.getMessage() == (
        "base.yaml has no 'grpo.max_num_step'; NeMo-RL may ignore it. Did you mean 'max_num_steps'?"
    )


@pytest.mark.parametrize(
    ("section", "error", "message"),
    [
        ({}, ConfigError, r"^nemo_rl\.driver: No driver is named\. Name one of NeMo-RL's"),
        ({"driver": "/no.py"}, ExecutionError, r"^There is no driver /no\.py\. Releases"),
        (
            {"driver": "/no.py", "base": "/no.yaml"},
            ExecutionError,
            r"^There is no configuration /no\.yaml\. Releases",
        ),
    ],
)
@pytest.mark.usefixtures("run_dir", "framework")
def test_what_is_not_there_is_told(section, error, message, tracking):
    with pytest.raises(error, match=message):
        start_training(OmegaConf.create({"nemo_rl": section}), tracking)


def test_what_cannot_be_resolved_stops_before_the_driver(run_dir, tracking, framework):
    config = OmegaConf.create({"nemo_rl": framework, "sif_dir": "${oc.env:NO_SUCH_VARIABLE}"})
    with pytest.raises(ConfigError, match=r"^sif_dir: .*NO_SUCH_VARIABLE"):
        start_training(config, tracking)
    assert not (run_dir / "nemo_rl.yaml").exists()


def test_a_file_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path / "taken"))
    with pytest.raises(ExecutionError, match=r"nemo_rl\.yaml: The driver's configuration cannot"):
        write_settings({})


def test_without_the_framework_the_container_is_named():
    config = OmegaConf.create(
        {"run": {"env": {"container": "nvcr.io/x:1"}}, "sif_dir": "${oc.env:NO_SUCH_VARIABLE}"}
    )
    with pytest.raises(ExecutionError, match=r"in the container nvcr\.io/x:1\. .* --run PROFILE"):
        require_framework(config)


def test_an_allocation_that_is_too_small_is_refused(run_dir, tracking, framework):
    config = OmegaConf.create(
        {"run": {"env": {"nodes": 2}}, "nemo_rl": framework, "cluster": {"num_nodes": 176}}
    )
    with pytest.raises(
        ConfigError, match=r"^cluster\.num_nodes: 176 machines are wanted, .* has 2"
    ):
        start_training(config, tracking)
    assert not (run_dir / "nemo_rl.yaml").exists()
