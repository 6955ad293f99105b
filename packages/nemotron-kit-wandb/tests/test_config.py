from __future__ import annotations

import dataclasses

import pytest

from nemo_runspec.errors import ConfigError
from nemotron_kit_wandb import WandbConfig, load_wandb_config


@pytest.mark.parametrize(("project", "enabled"), [("nemotron", True), ("", False), (None, False)])
def test_a_project_turns_tracking_on(project, enabled):
    assert WandbConfig(project=project).enabled is enabled


def test_a_configuration_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        WandbConfig().project = "other"


def test_the_section_of_env_toml_is_read_from_a_folder_below(tmp_path, monkeypatch):
    (tmp_path / "env.toml").write_text(
        '[wandb]\nproject = "nemotron"\nentity = "my-team"\ntags = ["nano3"]\n', "utf-8"
    )
    below = tmp_path / "deep" / "down"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    expected = WandbConfig(project="nemotron", entity="my-team", tags=("nano3",))
    assert load_wandb_config() == expected


@pytest.mark.parametrize("content", [None, "[cluster]\npartition = 'batch'\n"])
def test_no_file_or_no_section_is_none(tmp_path, content):
    if content is not None:
        (tmp_path / "env.toml").write_text(content, "utf-8")
    assert load_wandb_config() is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("projet = 'x'", r"\[wandb\]: Unknown key 'projet'\. Did you mean 'project'\?"),
        ("project = 7", "'project' must be a string"),
        ("tags = 'nano3'", "'tags' must be a list of strings"),
        ("tags = ['a', 1]", "'tags' must be a list of strings"),
    ],
)
def test_a_wrong_section_is_one_clear_error(tmp_path, content, message):
    file = tmp_path / "env.toml"
    file.write_text(f"[wandb]\n{content}\n", "utf-8")
    with pytest.raises(ConfigError, match=message):
        load_wandb_config(file)
