"""Pretraining and fine-tuning of both families, on the framework's double: chains and bad input."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.config import read_config
from nemo_runspec.lineage import lineage_graph
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.packaging import SelfContainedPackager, compose_for_package
from nemo_runspec.runspec import parse
from nemotron_data_prep import PretrainPrepConfig, SftPrepConfig, prepare_pretrain, prepare_sft
from nemotron_kit_megatron.saves import read_latest

ROOT = Path(__file__).parents[1]
RECIPES = ROOT / "recipes"
SAMPLE = RECIPES / "sample"
DOUBLE = ROOT / "packages" / "nemotron-kit-megatron" / "tests" / "double"
STAGES = {"pretrain": "stage0_pretrain", "sft": "stage1_sft"}
FAMILIES = ("nano3", "super3")
IMAGE = "nvcr.io/nvidia/nemo:26.06"

# Stands in for torchrun where torch is not installed: one process, with its place in the job.
TORCHRUN = """
import os, sys

script = next(at for at, word in enumerate(sys.argv) if word.endswith(".py") and at)
assert sys.argv[1:script] == ["--standalone", "--nproc-per-node", "1"], sys.argv
os.environ |= {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}
os.execv(sys.executable, [sys.executable, *sys.argv[script:]])
"""


@pytest.mark.parametrize(
    "file",
    sorted(RECIPES.glob("*/stage*/**/config/default.yaml")),
    ids=lambda file: file.parents[1].relative_to(RECIPES).as_posix(),
)
def test_a_script_that_is_started_by_itself_logs_to_no_project(file: Path) -> None:
    logger = read_config(file, argv=[]).logger
    logger = logger.get("wandb", logger)
    assert [logger.get(key) for key in ("wandb_project", "wandb_entity", "project", "entity")] == [
        None
    ] * 4


def script_of(family: str, stage: str) -> Path:
    return RECIPES / family / STAGES[stage] / "train.py"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample data as artifacts of both families."""
    folder = tmp_path_factory.mktemp("prepared")
    common: dict[str, Any] = {"tokenizer": SAMPLE / "tokenizer"}
    text = PretrainPrepConfig(
        blend=SAMPLE / "blends" / "pretrain.json",
        output_dir=folder / "text",
        eod_token="<|endoftext|>",  # noqa: S106 - a token of text
        **common,
    )
    chat = SftPrepConfig(
        blend=SAMPLE / "blends" / "sft.json",
        output_dir=folder / "chat",
        pack_size=1024,
        on_too_long="drop",
        **common,
    )
    made = {"pretrain": prepare_pretrain(text).artifact, "sft": prepare_sft(chat).artifact}
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": str(folder / "store")}}}):
        for family in FAMILIES:
            for stage, artifact in made.items():
                log_artifact(artifact, name=f"{family}-{stage}-data-sample")
    return folder


@pytest.fixture
def workplace(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NEMOTRON_ENV", "NEMOTRON_RECIPES", "NEMOTRON_RUN_DIR"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(prepared / "store", tmp_path / "store")
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def frameworks(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Processes started from here find the double, and torchrun."""
    launcher = workplace / "frameworks" / "torch" / "distributed" / "run.py"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(TORCHRUN, "utf-8")
    for package in (launcher.parent, launcher.parent.parent):
        (package / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", f"{DOUBLE}{os.pathsep}{workplace / 'frameworks'}")
    return workplace


def run(*command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def by_command(family: str, stage: str, *words: str) -> None:
    """``nemotron FAMILY STAGE -c sample``."""
    document = json.loads(
        run("-m", "nemotron", family, stage, "-c", "sample", *words, "--json").stdout
    )
    names = {artifact["ref"] for artifact in document["artifacts"]}
    assert names == {f"{family}-{stage}-model-sample:v{version}" for version in (1, 2)}


def by_package(family: str, stage: str, *words: str) -> None:
    """``nemotron package``, and the one file started as it is elsewhere."""
    recipe = parse(script_of(family, stage))
    config = compose_for_package(recipe, config="sample", overrides=words)
    job = SelfContainedPackager().package(recipe.path, Path(f"job-{stage}"), config=config)
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1")
    run(*launch, str(job.main), "--config", str(job.config))


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=demo", "-c", "user.email=demo@example.com")
    command = ["git", "-C", str(folder), *identity, *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def other_checkout(folder: Path) -> None:
    git(folder, "init", "--quiet")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", "Other")


def commit_of(folder: Path) -> str:
    return git(folder, "rev-parse", "HEAD")


@pytest.mark.parametrize(("family", "start"), [("nano3", by_command), ("super3", by_package)])
def test_every_checkpoint_of_a_chain_leads_back_to_its_data_and_its_model(
    frameworks: Path, family: str, start: Callable[..., None]
) -> None:
    # The working directory of the job is another checkout, whose commit says nothing.
    other_checkout(frameworks)
    pretrained, tuned = f"{family}-pretrain-model-sample", f"{family}-sft-model-sample"
    start(family, "pretrain", f"checkpoint.save={frameworks}/pretrain")
    start(
        family,
        "sft",
        f"run.model={pretrained}:v1",
        f"checkpoint.save={frameworks}/sft",
    )
    tracker = ManifestTracker(frameworks / "store")
    for name, inputs in {
        pretrained: [f"{family}-pretrain-data-sample:v1"],
        tuned: [f"{family}-pretrain-model-sample:v1", f"{family}-sft-data-sample:v1"],
    }.items():
        manifests = [tracker.read(name, version) for version in tracker.versions(name)]
        saved = [manifest.fields or {} for manifest in manifests]
        assert [(each["step"], each["format"]) for each in saved] == [
            (5, "megatron"),
            (10, "megatron"),
        ]
        assert [sorted(manifest.used_artifacts) for manifest in manifests] == [inputs] * 2
        provenance = manifests[0].provenance or {}
        assert (provenance["image"], provenance["git_commit"]) == (IMAGE, commit_of(ROOT))
        assert provenance["runspec"] == f"{family}/{name.split('-')[1]}"
    above = lineage_graph(tracker, f"{tuned}:v2", direction="up").nodes
    assert {f"{family}-{stage}-data-sample:v1" for stage in STAGES} <= above.keys()
    given = yaml.safe_load((frameworks / "sft" / "iter_0000010" / "run_config.yaml").read_text())
    # The very step that the version is, where the save directory names a later one as its last.
    start_from = Path(given["checkpoint"]["pretrained_checkpoint"])
    assert start_from == frameworks / "pretrain" / "iter_0000005"
    latest = read_latest(frameworks / "pretrain")
    assert latest is not None
    assert latest.iteration == 10
    assert given["checkpoint"]["load"] == f"{frameworks}/sft"
    assert given["model"]["seq_length"] == given["dataset"]["seq_length"] == 1024
    assert given["model"]["hybrid_layer_pattern"] == "MEM*E"
    specs = given["dataset"]["offline_packing_specs"]
    assert specs["packed_train_data_path"].startswith(given["dataset"]["dataset_root"])
    assert given["tokenizer"]["tokenizer_model"] == str(SAMPLE / "tokenizer")


Fail = Callable[..., str]
BRIDGE = "megatron.bridge"


@pytest.fixture
def fail(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Fail]:
    """Runs a recipe's script in this process, and gives the one sentence that it ends with."""
    monkeypatch.syspath_prepend(str(DOUBLE))

    def train(family: str, stage: str, *words: str) -> str:
        script = script_of(family, stage)
        config = script.with_name("config") / "sample.yaml"
        given = [f"++run.output={family}-{stage}-model-sample", *words]
        unset = "++run.wandb={project: null, entity: null}"
        monkeypatch.setattr(sys, "argv", [str(script), "--config", str(config), unset, *given])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(str(script), run_name="__main__")
        assert ended.value.code in (1, 2)
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith("error: ")
        return line.removeprefix("error: ")

    yield train
    for name in [name for name in sys.modules if name.partition(".")[0] == "megatron"]:
        del sys.modules[name]


def test_an_unknown_recipe_is_told_with_the_nearest_one(fail: Fail) -> None:
    target = "megatron.bridge.recipes.nemotronh.nemotron_3_nano_sft"
    assert fail("nano3", "sft", f"recipe._target_={target}") == (
        "recipe._target_: megatron.bridge.recipes.nemotronh has no nemotron_3_nano_sft in "
        "Megatron-Bridge. Did you mean 'nemotron_3_nano_sft_config'? "
        f"The recipe is written for {IMAGE}."
    )


def test_a_blend_without_a_split_is_told_with_its_name(fail: Fail, workplace: Path) -> None:
    blend = workplace / "blend.json"
    blend.write_text(json.dumps({"train": ["/x"], "test": None}), "utf-8")
    assert fail("super3", "pretrain", f"data.per_split_data_args_path={blend}") == (
        f"{blend}: The blend has no split 'valid'. "
        "It needs all of train, valid, test; null is a split without data."
    )


@pytest.mark.parametrize(
    ("words", "where"),
    [("data.packed.pack_size=512", "dataset"), ("model.seq_length=512", "model.seq_length")],
)
def test_a_length_other_than_the_packs_is_told(fail: Fail, words: str, where: str) -> None:
    told = fail("nano3", "sft", f"++{words}")
    assert re.fullmatch(
        rf"{where}.*: The packs have 1024 tokens by .*metadata\.json, and {where}.* is 512\. "
        "Prepare the data again with that pack_size, or leave the setting to it.",
        told,
    )


def test_a_model_that_is_gone_is_told_by_its_name(fail: Fail, workplace: Path) -> None:
    place = workplace / "gone"
    place.mkdir()
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": str(workplace / "store")}}}):
        log_artifact(ModelArtifact(path=place, step=10), name="super3-pretrain-model")
    shutil.rmtree(place)
    assert fail("super3", "sft", "run.model=super3-pretrain-model:v1") == (
        "checkpoint.pretrained_checkpoint: The model super3-pretrain-model:v1 is not at "
        f"{place} any more. Was it moved or deleted, or is its disk not mounted here? "
        "Another version: --art.model NAME:vN."
    )


def test_a_model_of_another_format_is_told_to_a_script_started_by_itself(
    fail: Fail, workplace: Path
) -> None:
    converted = workplace / "hf"
    converted.mkdir()
    for name in ("config.json", "model.safetensors"):
        (converted / name).touch()
    assert fail("nano3", "sft", f"run.model={converted}") == (
        f"run.model: The recipe reads a model of the format megatron, and {converted} is hf. "
        "No recipe of this family makes megatron of it; name another model."
    )


def test_fine_tuning_without_a_model_is_told(fail: Fail, workplace: Path) -> None:
    place = f"{workplace}/saved"
    assert fail("super3", "sft", f"checkpoint.save={place}") == (
        "checkpoint.pretrained_checkpoint: No model is named to start from, and "
        f"{place} has no checkpoint to go on from. Name one: --art.model NAME:VERSION."
    )


def test_a_folder_without_iterations_is_told(fail: Fail, workplace: Path) -> None:
    (workplace / "empty").mkdir()
    told = fail("nano3", "sft", f"checkpoint.pretrained_checkpoint={workplace}/empty")
    assert told == (
        f"checkpoint.pretrained_checkpoint: {workplace}/empty is no checkpoint: it has no "
        "iterations (iter_NNNNNNN). Give the save directory of a training run."
    )


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> str:
    """The framework says that it is of an earlier release."""
    monkeypatch.setattr("nemotron_kit_megatron.versions.version", lambda _: "0.3.1")
    return "Megatron-Bridge 0.3.1"


def test_a_release_without_the_model_is_told_and_what_works(
    fail: Fail, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = importlib.import_module(f"{BRIDGE}.recipes.nemotronh")
    monkeypatch.delattr(recipes, "nemotron_3_super_sft_config")
    monkeypatch.setattr(recipes, "__all__", ["nemotron_3_nano_sft_config"])
    told = fail("super3", "sft")
    assert f"has no nemotron_3_super_sft_config in {installed}. " in told
    assert told.endswith(f"The recipe is written for {IMAGE}.")


def test_a_release_that_reads_no_parquet_is_told_and_what_works(
    fail: Fail, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("packing.parquet", "datasets.packed_parquet"):
        monkeypatch.setitem(sys.modules, f"{BRIDGE}.data.{name}", None)
    assert fail("nano3", "sft") == (
        f"data.packed.train: {installed} reads packs from .npy files, not from Parquet. "
        "Prepare the data with format=npy, or use 0.4 or later."
    )


def test_a_release_without_hooks_is_told_and_what_works(
    fail: Fail, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    callbacks = importlib.import_module(f"{BRIDGE}.training.callbacks")
    monkeypatch.setattr(callbacks, "VALID_EVENTS", frozenset({"on_train_start"}))
    saved = importlib.import_module(f"{BRIDGE}.training.utils.wandb_utils")
    monkeypatch.delattr(saved, "on_save_checkpoint_success")
    told = fail("nano3", "pretrain")
    assert told.startswith(f"{installed}: ")
    assert told.endswith("Releases 0.3 to 0.6 work; the recipe's container brings one.")


def test_without_the_framework_a_script_names_its_container_and_how_to_get_there(
    workplace: Path,
) -> None:
    done = run(str(script_of("super3", "sft")), code=1)
    assert done.stderr == (
        "error: Megatron-Bridge is not installed here; this recipe runs in the container "
        f"{IMAGE}. Send it there with --run PROFILE. "
        "Releases 0.3 to 0.6 work; the recipe's container brings one.\n"
    )


def test_the_command_shows_it_all_as_one_screen(frameworks: Path) -> None:
    words = ("-m", "nemotron", "nano3", "sft", "-c", "sample")
    done = run(*words, "data.packed.pack_size=512", code=2)
    assert "─ Step Failed (nano3-sft-model-sample) ─" in done.stdout
    # Every process said it, and torchrun more behind it: the panel says it once, at the end.
    assert re.search(r"│ Error: +The packs have 1024 tokens by .* is 512\. +│", done.stdout)
    assert len(done.stdout.splitlines()) < 24
    (line,) = done.stderr.splitlines()
    assert re.search(r"^error: .*The packs have 1024 tokens by .* is 512\. Prepare", line)

    shutil.rmtree(frameworks / "frameworks")
    if importlib.util.find_spec("torch") is None:
        done = run(*words, code=1)
        assert f"torchrun and runs in the container image {IMAGE}" in done.stderr
        assert "hint: Send it there with --run PROFILE, or check it here" in done.stderr
