"""What jobs that run elsewhere read and record, and that a job started again reads the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.config import save_configs
from nemo_runspec.errors import ArtifactNotFoundError, ProfileError
from nemo_runspec.execution import RecipePlan, RecipeRequest, plan_recipe, preview_config
from nemo_runspec.runspec import Runspec, parse

RECIPE = """
# /// script
# [tool.runspec]
# schema = "1"
# name = "demo/sft"
# [tool.runspec.artifacts.reads]
# model = "ModelArtifact"
# ///
import sys
from nemo_runspec.config import load_omegaconf_yaml
from nemo_runspec.artifacts import setup_artifact_tracking

config = load_omegaconf_yaml(sys.argv[1])
setup_artifact_tracking(config)
print(config.step)
"""
ENV_TOML = """
[here]
executor = "slurm"

[far]
executor = "slurm"
host = "login.example"
remote_job_dir = "/lustre/jobs"
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Runspec:
    (tmp_path / "sft.py").write_text(RECIPE)
    (tmp_path / "config").mkdir()
    config = "run:\n  model: base:latest\nstep: ${art:model,step}\n"
    (tmp_path / "config" / "default.yaml").write_text(config)
    (tmp_path / "env.toml").write_text(ENV_TOML)
    return parse(tmp_path / "sft.py")


def record_model(root: Path, step: int) -> None:
    settings = OmegaConf.create({"artifacts": {"manifest": {"root": str(root)}}})
    with setup_artifact_tracking(settings) as tracking:
        log_artifact(ModelArtifact(path=root, step=step), tracking, name="base")


def plan(recipe: Runspec, profile: str | None, *overrides: str) -> RecipePlan:
    request = RecipeRequest(recipe, overrides=overrides, cwd=Path.cwd(), profile=profile)
    return plan_recipe(request)


def run_in(run_dir: Path, recipe: Runspec, **variables: str) -> str:
    """Run the recipe as a scheduler's job does, and return what it printed."""
    done = subprocess.run(
        [sys.executable, str(recipe.path), str(run_dir / "train.yaml")],
        env={**os.environ, "NEMOTRON_RUN_DIR": str(run_dir), "SLURM_JOB_ID": "7", **variables},
        cwd=run_dir,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_store_that_is_not_here_leaves_references_to_the_job(
    recipe: Runspec, tmp_path: Path
) -> None:
    root = tmp_path / "only" / "there"
    made = plan(recipe, "far", f"artifacts.manifest.root={root}")
    assert made.unpinned == ("model",)
    assert made.train.run.model == "base:latest"
    (warning,) = made.checked.warnings
    assert warning == (
        "run.model=base:latest cannot be looked up from here; the job does it when it starts, and "
        "keeps what it found when it is started again."
    )
    shown = preview_config(made.train, unknown=made.unpinned)
    assert shown["step"] == "${art:'base:latest',step}"


def test_a_store_that_both_see_pins_them_at_once(recipe: Runspec, tmp_path: Path) -> None:
    record_model(tmp_path / "shared", 10)
    made = plan(recipe, "far", f"artifacts.manifest.root={tmp_path / 'shared'}")
    assert made.unpinned == ()
    assert made.train.run.model == "base:v1"


def test_a_store_that_both_see_and_that_lacks_it_is_an_error(
    recipe: Runspec, tmp_path: Path
) -> None:
    (tmp_path / "shared").mkdir()
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'base'"):
        plan(recipe, "far", f"artifacts.manifest.root={tmp_path / 'shared'}")


def test_a_path_of_the_other_machine_is_left_to_the_job(recipe: Runspec) -> None:
    made = plan(recipe, "far", "run.model=/lustre/models/base")
    assert made.train.run.model == "/lustre/models/base"
    assert made.unpinned == ("model",)


def test_the_store_of_this_folder_is_for_jobs_that_see_it(recipe: Runspec, tmp_path: Path) -> None:
    record_model(tmp_path / "artifacts", 10)
    assert plan(recipe, None).manifest_root == str(tmp_path / "artifacts")
    assert plan(recipe, "here").manifest_root == str(tmp_path / "artifacts")
    far = plan(recipe, "far", "run.model=/lustre/models/base")
    assert far.manifest_root is None
    assert far.checked.warnings[0].startswith("The job records no artifacts: it runs on another")


def test_an_input_that_the_configuration_no_longer_reads_is_told(
    recipe: Runspec, tmp_path: Path
) -> None:
    record_model(tmp_path / "artifacts", 7)
    assert plan(recipe, None).checked.warnings == ()
    own = tmp_path / "own.yaml"
    own.write_text("run:\n  model: base:v1\nstep: 1\n")
    told = RecipeRequest(recipe, config=str(own), cwd=tmp_path)
    (warning,) = plan_recipe(told).checked.warnings
    assert warning == (
        "Nothing in this configuration reads run.model, as ${art:model} does in default; base:v1 "
        "is recorded as an input all the same. Read it, or set run.model=null."
    )
    # An override of what read it is no better; a value that reads the reference itself is.
    assert plan(recipe, None, "step=1").checked.warnings == (warning.replace("v1", "latest"),)
    # So is the configuration that an earlier job wrote down, where the reference itself stands.
    for reading in ("of ${run.model}", "${run[model]}", "${art:'base:v1',step}"):
        own.write_text(f"run:\n  model: base:v1\nstep: 1\nname: {reading}\n")
        assert plan_recipe(told).checked.warnings == ()
    own.write_text("run:\n  model: base:v1\nstep: 1\n")
    (recipe.config.dir / "default.yaml").unlink()
    assert plan_recipe(told).checked.warnings == ()


def test_a_script_that_reads_a_reference_by_itself_is_told_nothing(tmp_path: Path) -> None:
    record_model(tmp_path / "artifacts", 7)
    (tmp_path / "sft.py").write_text(RECIPE)
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "default.yaml").write_text("run:\n  model: base:latest\n")
    assert plan(parse(tmp_path / "sft.py"), None).checked.warnings == ()


def test_an_unknown_profile_names_the_nearest_one(recipe: Runspec) -> None:
    with pytest.raises(ProfileError, match="There is no profile 'fra'"):
        plan(recipe, "fra")


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_job_that_starts_again_reads_what_it_read_first(
    recipe: Runspec, tmp_path: Path, processes: str
) -> None:
    root, run_dir = tmp_path / "there", tmp_path / "job"
    made = plan(recipe, "far", f"artifacts.manifest.root={root}")
    save_configs(made.job, made.train, run_dir)
    record_model(root, 10)
    first = {"SLURM_PROCID": "0", "SLURM_NTASKS": processes}
    assert run_in(run_dir, recipe, **first) == "10"
    record_model(root, 20)
    assert run_in(run_dir, recipe, **first, SLURM_RESTART_COUNT="1") == "10"
    other = tmp_path / "another job"
    save_configs(made.job, made.train, other)
    assert run_in(other, recipe, **first, SLURM_JOB_ID="8") == "20"


def test_every_rank_of_a_job_that_starts_again_reads_the_same(
    recipe: Runspec, tmp_path: Path
) -> None:
    root, run_dir = tmp_path / "there", tmp_path / "job"
    made = plan(recipe, "far", f"artifacts.manifest.root={root}")
    save_configs(made.job, made.train, run_dir)
    record_model(root, 10)
    for restart in ("0", "1"):
        for rank in ("0", "1"):
            place = {"SLURM_PROCID": rank, "SLURM_NTASKS": "2", "SLURM_RESTART_COUNT": restart}
            assert run_in(run_dir, recipe, **place) == "10"
        record_model(root, 20 + int(restart))


def test_what_was_pinned_at_submission_stays_so(recipe: Runspec, tmp_path: Path) -> None:
    record_model(tmp_path / "artifacts", 10)
    made = plan(recipe, "here")
    save_configs(made.job, made.train, tmp_path / "job")
    record_model(tmp_path / "artifacts", 20)
    text = json.dumps(OmegaConf.to_container(made.train, resolve=False))
    assert "base:v1" in text
    assert textwrap.dedent(run_in(tmp_path / "job", recipe)) == "10"
