"""What recipes write against the packages that own the names; checked, never run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, assert_type

from omegaconf import DictConfig

import nemo_runspec
from nemo_runspec import NemotronError, Runspec
from nemo_runspec.artifacts import log_artifact, setup_artifact_tracking
from nemo_runspec.config import build_job_config, extract_train_config, save_configs
from nemo_runspec.events import CheckpointSaved, record_checkpoint
from nemo_runspec.execution import (
    ChildStreams,
    Profile,
    RecipeRequest,
    load_profile,
    plan_recipe,
    read_profile,
    run_recipe,
)
from nemo_runspec.execution.jobs import JobRecord, find_record
from nemo_runspec.execution.submission import prepare_submission, submit
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.patching import Patch
from nemotron_data_prep import (
    PretrainPrepConfig,
    RlPrepConfig,
    SftPrepConfig,
    prepare_pretrain,
    prepare_rl,
    prepare_sft,
)
from nemotron_data_prep.transforms import Record, TransformError, reads
from nemotron_kit_evaluator import EvalConfig, Evaluation, evaluate, record_results
from nemotron_kit_megatron import (
    checkpoint_callbacks,
    load_recipe,
    patch_manifest_checkpoint_logging,
    require_model,
    training_hooks,
)
from nemotron_kit_nemorl import (
    load_config,
    patch_manifest_nemo_rl_checkpoint_logging,
    resolve_config,
    run_driver,
)
from nemotron_kit_wandb import WandbConfig, init_wandb_if_configured


def runspecs() -> None:
    runspec = nemo_runspec.parse("recipes/nano3/stage1_sft/train.py")
    assert_type(runspec, Runspec)
    assert_type(runspec.name, str)
    assert_type(runspec.resources.nodes, int)


def job(runspec: Runspec, folder: Path) -> None:
    config = build_job_config(runspec, config_name="sample", overrides=["train.lr=5e-5"])
    assert_type(config, DictConfig)
    assert_type(save_configs(config, extract_train_config(config), folder), tuple[Path, Path])


def here(recipe: Runspec, folder: Path) -> None:
    plan = plan_recipe(RecipeRequest(recipe=recipe, config="sample", cwd=folder))
    outcome = run_recipe(plan, announce=lambda _: None, streams=ChildStreams())
    assert_type(outcome.exit_code, int)


def elsewhere(recipe: Runspec, folder: Path) -> None:
    plan = plan_recipe(RecipeRequest(recipe=recipe, cwd=folder, profile="cluster"))
    profile = read_profile(plan.job, recipe, name="cluster")
    assert_type(load_profile("cluster"), Profile)
    prepared = prepare_submission(plan, profile, mode="batch", folder=folder / "run")
    assert_type(submit(prepared), JobRecord)
    assert_type(find_record(folder).scheduler_id, str | None)


def preparation(pretrain: PretrainPrepConfig, sft: SftPrepConfig, rl: RlPrepConfig) -> None:
    assert_type(prepare_pretrain(pretrain).cache_hit, bool)
    assert_type(prepare_sft(sft).cache_hit, bool)
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": "artifacts"}}}) as tracking:
        log_artifact(prepare_rl(rl).artifact, tracking)


@reads("question")
def question(record: Record) -> Record | None:
    if not isinstance(record["question"], str):
        raise TransformError("'question' is no text")
    return {"messages": [{"role": "user", "content": record["question"]}]}


def transformed(blend: Path) -> None:
    assert_type(question({}), Record | None)
    prepare_rl(RlPrepConfig(blend=blend, output_dir=blend, transform=question))


def checkpoints(event: CheckpointSaved) -> None:
    assert_type(record_checkpoint(event).ref, str)
    assert_type(patch_manifest_checkpoint_logging(), Patch)
    assert_type(patch_manifest_nemo_rl_checkpoint_logging(), Patch)


def errors(tracker: ManifestTracker) -> str | None:
    try:
        tracker.resolve("nano3-sft-data:latest")
    except NemotronError as error:
        return error.hint
    return None


def runs() -> None:
    run = init_wandb_if_configured(WandbConfig(project="nemotron"))
    if run is not None:
        run.log({"loss": 0.5})


def training(config: DictConfig, train: Callable[..., None]) -> None:
    with setup_artifact_tracking(config) as tracking:
        container = load_recipe(config)
        require_model(container)
        train(container, **training_hooks(train, tracking))
        assert_type(checkpoint_callbacks(tracking, name="model"), list[Any])


def reinforcement(folder: Path) -> None:
    config = load_config(folder / "grpo.yaml", ["grpo.max_num_steps=1"])
    assert_type(config, DictConfig)
    assert_type(resolve_config(config), dict[str, Any])
    run_driver(folder / "run_grpo.py", folder / "resolved.yaml")


def scores(config: EvalConfig) -> None:
    evaluation = evaluate(config)
    assert_type(evaluation, Evaluation)
    record_results(evaluation, config, model="nano3-rl-model-hf")
    evaluation.require_success()
