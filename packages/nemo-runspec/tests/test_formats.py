"""Models in a format that a recipe cannot read are refused, with the command that converts them."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError
from nemo_runspec.execution import RecipePlan, RecipeRequest, plan_recipe
from nemo_runspec.execution.pipeline import ChainRequest, start_pipe
from nemo_runspec.model_formats import ModelFormat, format_on_disk
from nemo_runspec.naming import derived_name, source_name
from nemo_runspec.runspec import Runspec, parse

HEADER = """
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/{name}"
# [tool.runspec.config]
# dir = "{folder}"
# [tool.runspec.artifacts]
# {writes}
# [tool.runspec.artifacts.reads]
# model = {reads}
# ///
"""
ENV_TOML = """
[far]
executor = "slurm"
host = "login.example"
remote_job_dir = "/lustre/jobs"
"""
SENTENCE = (
    r"run\.model: The recipe reads a model of the format hf, and demo-sft-model:v1 is megatron\. "
    r"Convert it: nemotron demo model convert --art\.model demo-sft-model:v1"
)


def recipe(folder: Path, name: str, writes: str, reads: str, model: str) -> Runspec:
    last = name.rpartition("/")[2]
    script = folder / f"{last}.py"
    script.write_text(HEADER.format(name=name, folder=last, writes=writes, reads=reads))
    (folder / last).mkdir()
    (folder / last / "default.yaml").write_text(f"run:\n  model: {model}\n")
    return parse(script)


@pytest.fixture
def recipes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Runspec, Runspec]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "env.toml").write_text(ENV_TOML)
    read = '{ type = "ModelArtifact", format = "hf" }'
    written = 'writes = { type = "ModelArtifact", format = "hf", name = "{model}-hf" }'
    return (
        recipe(tmp_path, "rl", "", read, "demo-sft-model:latest"),
        recipe(tmp_path, "model/convert", written, '"ModelArtifact"', "demo-sft-model:latest"),
    )


def record(root: Path, name: str, found: ModelFormat | None, path: Path | None = None) -> None:
    settings = OmegaConf.create({"artifacts": {"manifest": {"root": str(root)}}})
    with setup_artifact_tracking(settings) as tracking:
        log_artifact(ModelArtifact(path=path or root, step=3, format=found), tracking, name=name)


def plan(
    recipes: tuple[Runspec, ...], *overrides: str, at: int = 0, profile: str | None = None
) -> RecipePlan:
    request = RecipeRequest(
        recipes[at], overrides=overrides, cwd=Path.cwd(), recipes=recipes, profile=profile
    )
    return plan_recipe(request)


def test_another_format_is_refused_before_anything_is_submitted(
    recipes: tuple[Runspec, Runspec], tmp_path: Path
) -> None:
    record(tmp_path / "artifacts", "demo-sft-model", "megatron")
    with pytest.raises(ArtifactError, match=SENTENCE):
        plan(recipes)
    root = f"artifacts.manifest.root={tmp_path / 'artifacts'}"
    with pytest.raises(ArtifactError, match=SENTENCE):
        plan(recipes, root, profile="far")
    with pytest.raises(ArtifactError, match="No recipe of this family makes hf of it"):
        plan(recipes[:1])
    chain = ChainRequest(family="demo", recipes=recipes, cwd=tmp_path)
    with pytest.raises(ArtifactError, match=r"Stage rl cannot read what it names\. .* is megatron"):
        start_pipe(chain)


def test_a_store_that_only_the_job_sees_is_checked_when_the_job_starts(
    recipes: tuple[Runspec, Runspec], tmp_path: Path
) -> None:
    root = tmp_path / "far"
    train = plan(recipes, f"artifacts.manifest.root={root}", profile="far").train
    record(root, "demo-sft-model", "megatron")
    with pytest.raises(ArtifactError, match=SENTENCE):
        setup_artifact_tracking(train)
    record(root, "demo-sft-model", "hf")
    with setup_artifact_tracking(train) as tracking:
        assert tracking.inputs == ["demo-sft-model:v2"]


def test_a_script_that_no_command_started_checks_what_its_own_header_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "recipes" / "demo"
    folder.mkdir(parents=True)
    started = recipe(folder, "rl", "", '{ type = "ModelArtifact", format = "hf" }', "by-hand:v1")
    written = 'writes = { type = "ModelArtifact", format = "hf", name = "{model}-hf" }'
    recipe(folder, "model/convert", written, '"ModelArtifact"', "by-hand:v1")
    with started.path.open("a") as script:
        script.write(
            "from nemo_runspec.artifacts import setup_artifact_tracking\n"
            "from nemo_runspec.config import read_config\n"
            "setup_artifact_tracking(read_config('rl/default.yaml'))\n"
        )
    monkeypatch.setenv("NEMOTRON_ARTIFACTS_ROOT", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(started.path)])
    record(tmp_path / "store", "by-hand", "megatron")
    with pytest.raises(ArtifactError, match=SENTENCE.replace("demo-sft-model", "by-hand")):
        runpy.run_path(str(started.path), run_name="__main__")
    record(tmp_path / "store", "by-hand", "hf")
    monkeypatch.setattr(sys, "argv", [str(started.path), "--art.model", "by-hand:v2"])
    runpy.run_path(str(started.path), run_name="__main__")


def test_a_model_without_a_recorded_format_is_looked_at(
    recipes: tuple[Runspec, Runspec], tmp_path: Path
) -> None:
    (tmp_path / "saved" / "iter_0000003").mkdir(parents=True)
    record(tmp_path / "artifacts", "demo-sft-model", None, tmp_path / "saved")
    with pytest.raises(ArtifactError, match=SENTENCE):
        plan(recipes)
    with pytest.raises(ArtifactError, match=r"and .*/saved is megatron"):
        plan(recipes, f"run.model={tmp_path / 'saved'}")
    record(tmp_path / "artifacts", "demo-sft-model", None, tmp_path / "gone")
    assert plan(recipes).train.run.model == "demo-sft-model:v2"


def test_a_converted_model_is_named_after_its_source(
    recipes: tuple[Runspec, Runspec], tmp_path: Path
) -> None:
    (tmp_path / "somewhere").mkdir()
    with pytest.raises(
        ArtifactNotFoundError,
        match=r"Run `nemotron demo model convert --art\.model demo-sft-model` first",
    ):
        plan(recipes, "run.model=demo-sft-model-hf")
    record(tmp_path / "artifacts", "demo-sft-model", "megatron")
    assert plan(recipes, at=1).output == "demo-sft-model-hf"
    assert plan(recipes, "run.output=mine", at=1).output == "mine"
    assert plan(recipes, f"run.model={tmp_path}/somewhere", at=1).output == "demo-model-hf"
    record(tmp_path / "artifacts", "demo-sft-model", "hf")
    with pytest.raises(
        ArtifactError, match=r"run\.model: demo-sft-model:v2 is hf already.*--art\.model demo-sft-m"
    ):
        plan(recipes, at=1)


def test_folders_tell_their_format(tmp_path: Path) -> None:
    def folder(name: str, *files: str) -> Path:
        for file in files:
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).touch()
        return tmp_path / name

    weights = "policy/weights"
    assert format_on_disk(folder("hf", "config.json", "model.safetensors")) == "hf"
    assert format_on_disk(folder("config", "config.json")) is None
    assert format_on_disk(folder("saves", "iter_0000005/common.pt")) == "megatron"
    assert format_on_disk(tmp_path / "saves" / "iter_0000005") == "megatron"
    assert format_on_disk(tmp_path / "iter_0000005") is None
    steps = folder("rl", f"step_2/{weights}/.metadata", f"step_10/{weights}/iter_0000000/x")
    assert format_on_disk(steps) == "megatron"
    assert format_on_disk(steps / "step_2") == "dcp"
    assert format_on_disk(tmp_path / "nowhere") is None


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True))
def test_a_name_leads_back_to_its_source(name: str) -> None:
    assert source_name("{model}-hf", derived_name("{model}-hf", name)) == name
    shorter = name[: -len("-hf")] if name.endswith("-hf") else ""
    assert source_name("{model}-hf", name) == (shorter or None)
