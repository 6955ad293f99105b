"""What users write against the documents; checked by mypy --strict and pyright, never run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, assert_type

from omegaconf import DictConfig
from pydantic import Field

from nemotron.kit import (
    DataBlendsArtifact,
    InputDatasetInfo,
    ModelArtifact,
    PretrainBlendsArtifact,
    SFTDataArtifact,
    SplitJsonlDataArtifact,
    add_wandb_tags,
    apply_hydra_overrides,
    build_executor,
    cli,
    finish_wandb,
    init_wandb_if_configured,
    load_env_profile,
    load_omegaconf_yaml,
    log_artifact,
    setup_artifact_tracking,
    wandb_kit,
)
from nemotron.kit.artifacts import Artifact as ArtifactOfTheList
from nemotron.kit.artifacts.base import Artifact
from nemotron.kit.resolvers import clear_artifact_cache, register_resolvers_from_config
from nemotron.kit.run import build_env_vars, load_wandb_config
from nemotron.kit.run import build_executor as build_executor_of_run
from nemotron.kit.trackers import ManifestTracker, Tracker, WandbTracker
from nemotron.kit.train_script import (
    init_wandb_from_env,
    omegaconf_to_dataclass,
    parse_config_and_overrides,
    read_config,
)
from nemotron.kit.wandb import (
    WandbConfig,
    add_run_tags,
    finish_run,
    patch_checkpoint_logging_both,
    patch_manifest_checkpoint_logging,
    patch_manifest_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging_both,
    patch_wandb_checkpoint_logging,
    patch_wandb_init_for_lineage,
    patch_wandb_runid_for_seeded_random,
    wandb_env,
)


@dataclass
class Config:
    data_path: Path
    output_dir: Path
    learning_rate: float = 1e-4


class MyDataArtifact(Artifact):
    """A user's own type: its fields are what `${art:data,FIELD}` reads."""

    num_samples: Annotated[int, Field(ge=0)]
    source_url: str | None = None

    def get_input_uris(self) -> list[str]:
        return ["art://raw:v1"]


class MyModelArtifact(Artifact):
    step: int

    def get_wandb_files(self) -> list[tuple[str, str]]:
        return [*super().get_wandb_files(), ("config.yaml", "config.yaml")]

    def get_wandb_references(self) -> list[tuple[str, str]]:
        return super().get_wandb_references()


def quick_example() -> None:
    config = cli(Config, config_file="config.yaml")
    assert_type(config, Config)
    assert_type(config.learning_rate, float)


def artifacts() -> None:
    blends = PretrainBlendsArtifact(path=Path("/output/blends"), total_tokens=10)
    blends.save(name="nano3-pretrain-data")
    loaded = PretrainBlendsArtifact.from_uri("art://nano3-pretrain-data:latest")
    assert_type(loaded, PretrainBlendsArtifact)
    assert_type(loaded.total_tokens, int)
    assert_type(MyDataArtifact.load(path=Path("/output/my_data")).num_samples, int)
    assert_type(ModelArtifact.load(Path("/checkpoints")).step, int)
    same: type[PretrainBlendsArtifact] = DataBlendsArtifact
    listed: type[Artifact] = ArtifactOfTheList
    others = [SFTDataArtifact, SplitJsonlDataArtifact]
    assert_type(InputDatasetInfo(uri="hf://datasets/c4").uri, str)
    del same, listed, others


def data_prep_script(config: DictConfig, artifact: Artifact) -> None:
    tracking = setup_artifact_tracking(config, artifacts_key="run")
    assert_type(tracking.manifest, bool)
    assert_type(tracking.wandb, bool)
    assert_type(tracking.qualified_names, list[str])
    if tracking.wandb:
        init_wandb_from_env()
    assert_type(log_artifact(artifact, tracking).ref, str)
    with setup_artifact_tracking({"run": {"data": "nano3-sft-data:v2"}}):
        log_artifact(artifact, name="other")
    wandb_kit.finish_run(exit_code=0)


def train_script() -> None:
    path, overrides = parse_config_and_overrides(default_config="config.yaml")
    assert_type(overrides, list[str])
    config = apply_hydra_overrides(load_omegaconf_yaml(path), overrides)
    assert_type(config, DictConfig)
    assert_type(read_config("config.yaml"), DictConfig)
    names: Any = register_resolvers_from_config(config, artifacts_key="run", mode="pre_init")
    assert_type(omegaconf_to_dataclass(config, Config), Config)
    clear_artifact_cache()
    del names


def wandb_runs() -> None:
    config = WandbConfig(project="nemotron", entity="my-team", tags=("pretrain", "nano3"))
    assert_type(config.enabled, bool)
    assert_type(load_wandb_config(), WandbConfig | None)
    assert_type(wandb_env(config), dict[str, str])
    init_wandb_if_configured(config, job_type="training")
    add_run_tags(["sft"])
    add_wandb_tags(["sft"])
    finish_run(exit_code=1)
    finish_wandb()


def patches() -> None:
    patch_manifest_checkpoint_logging().undo()
    patch_wandb_checkpoint_logging().undo()
    patch_wandb_init_for_lineage().undo()
    patch_wandb_init_for_lineage(artifact_qualified_names=["e/p/data:v1"], tags=["pretrain"])
    patch_checkpoint_logging_both().undo()
    patch_manifest_nemo_rl_checkpoint_logging(artifact_name="nano3-rl-model").undo()
    patch_nemo_rl_checkpoint_logging(artifact_name="nano3-rl-model").undo()
    patch_nemo_rl_checkpoint_logging_both().undo()
    assert_type(patch_wandb_runid_for_seeded_random().applied, bool)


def profiles_and_stores() -> None:
    profile = load_env_profile("YOUR-CLUSTER")
    executor: Any = profile["executor"]
    executor = build_executor("YOUR-CLUSTER", mode="batch", nodes=2)
    executor = build_executor_of_run(profile, env_vars={"HF_HOME": "/lustre/hf"})
    assert_type(build_env_vars("YOUR-CLUSTER"), dict[str, str])
    assert_type(ManifestTracker("/lustre/artifacts").names(), list[str])
    trackers: list[Tracker] = [ManifestTracker("/lustre/artifacts"), WandbTracker("nemotron")]
    del trackers
    del executor
