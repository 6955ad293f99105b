"""A training script as the documents write it: each helper of nemotron.kit.train_script."""

from __future__ import annotations

from dataclasses import dataclass

from wandb_server import picture

from nemotron.kit import apply_hydra_overrides, finish_wandb
from nemotron.kit.train_script import (
    init_wandb_from_env,
    load_omegaconf_yaml,
    omegaconf_to_dataclass,
    parse_config_and_overrides,
    read_config,
)


@dataclass
class Config:
    output_dir: str
    learning_rate: float = 1e-4


def test_a_script_reads_its_configuration_and_tracks_itself(server, own_world, monkeypatch):
    config_file = own_world / "config.yaml"
    config_file.write_text("output_dir: out\nlearning_rate: 1e-4\nrun:\n  data: x\n", "utf-8")
    words = ["learning_rate=5e-5", "--art.data", "sft-data:v2", "--config", str(config_file)]
    monkeypatch.setattr("sys.argv", ["train.py", *words])

    path, overrides = parse_config_and_overrides(default_config="default.yaml")
    assert (path, overrides) == (config_file, ["learning_rate=5e-5", "run.data='sft-data:v2'"])
    config = apply_hydra_overrides(load_omegaconf_yaml(path), overrides)
    assert config == read_config("default.yaml")
    assert config.run.data == "sft-data:v2"
    assert omegaconf_to_dataclass(config, Config) == Config("out", 5e-5)

    monkeypatch.setenv("WANDB_PROJECT", "nemotron")
    monkeypatch.setenv("WANDB_ENTITY", "team")
    run = init_wandb_from_env()
    assert run is not None
    finish_wandb()
    assert list(picture.take(server.state).runs) == [f"team/nemotron/{run.id}"]
