"""The evaluation recipes, as one file: a model is served and scored, and its scores lead to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.config import list_configs, load_omegaconf_yaml
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.packaging import SelfContainedPackager, compose_for_package
from nemo_runspec.runspec import parse

# Under importlib mode a test folder is on no path.
sys.path.insert(0, str(Path(__file__).parent))

from loopback import free_ports

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "packages" / "nemotron-kit-evaluator" / "tests"
SNAPSHOT = ROOT / "tests" / "contracts" / "nemo-evaluator" / "harnesses.json"
FAMILIES = ("nano3", "super3")
VLLM = """#!/bin/bash
for word; do [[ $word == --port=* ]] && port=$word; done
exec {python} {tests}/standin/serve.py "$2" "$port"
"""
UV = """#!/bin/bash
while [ "$1" != nemo-evaluator ]; do shift; done
shift
exec {python} {tests}/double/nemo_evaluator.py "$@"
"""


def recipe_of(family: str) -> Path:
    return ROOT / "recipes" / family / "eval" / "eval.py"


def tracked(root: Path) -> dict[str, Any]:
    return {"artifacts": {"manifest": {"root": str(root)}}}


@pytest.fixture
def port() -> Iterator[int]:
    with free_ports(1) as (found,):
        yield found


@pytest.fixture
def programs(tmp_path: Path) -> str:
    """A PATH with what the container has, started as the recipes' own configurations say."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, content in (("vllm", VLLM), ("uv", UV)):
        (folder / name).write_text(content.format(python=sys.executable, tests=TESTS))
        (folder / name).chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tasks_are_those_of_the_harnesses_that_are_installed(family: str) -> None:
    harnesses = json.loads(SNAPSHOT.read_text())["harnesses"]
    folder = recipe_of(family).parent / "config"
    assert list_configs(folder) == ["default", "sample", "tiny"]
    for name in list_configs(folder):
        config = load_omegaconf_yaml(folder / f"{name}.yaml")
        command = list(config.evaluator.command)
        assert all(f"--with={requirement}" in command for requirement in harnesses)
        known = {
            f"{each['harness']}.{task}"
            for each in harnesses.values()
            for task in each["tasks"][config.endpoint.type].split()
        }
        assert {task.name for task in config.tasks} <= known
        assert (config.params.get("limit_samples") is None) == (name == "default")


@pytest.mark.parametrize("family", FAMILIES)
def test_the_scores_of_a_model_lead_back_to_it(
    family: str, tmp_path: Path, port: int, programs: str
) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    store = tmp_path / "store"
    with setup_artifact_tracking(tracked(store)) as tracking:
        made = ModelArtifact(path=tmp_path / "model", step=5, format="hf")
        model = log_artifact(made, tracking, name=f"{family}-final-hf").ref
    overrides = [
        f"run.model={model}",
        f"artifacts.manifest.root={store}",
        f"results_dir={tmp_path}/results",
        f"server.port={port}",
        "tasks=[{name: arithmetic},{name: broken}]",
    ]
    recipe = parse(recipe_of(family))
    composed = compose_for_package(recipe, config="sample", overrides=overrides)
    job = SelfContainedPackager().package(recipe.path, tmp_path / "job", config=composed)
    done = subprocess.run(
        [sys.executable, str(job.main)],
        env={**os.environ, "NEMOTRON_RUN_DIR": str(tmp_path / "run"), "PATH": programs},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "arithmetic: score_micro 0.5" in done.stderr
    assert "error: " in done.stderr
    assert "1 of 2 tasks failed: broken." in done.stderr
    manifest = ManifestTracker(str(store)).find(f"{family}-eval-results-sample")
    assert manifest.used_artifacts == [model]
    assert manifest.fields is not None
    assert manifest.fields["model"] == model
    assert manifest.fields["failed_tasks"] == ["broken"]
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["summary"] == {"arithmetic/score_micro": 0.5, "failed tasks": ["broken"]}


@pytest.mark.parametrize("family", FAMILIES)
def test_without_its_programs_one_sentence_names_the_container(
    family: str, tmp_path: Path, programs: str
) -> None:
    recipe = parse(recipe_of(family))
    (tmp_path / "bin" / "vllm").unlink()
    for overrides, key, program in (
        (["evaluator.command=[no-evaluator]"], "evaluator.command", "no-evaluator"),
        (["server.command.0=no-vllm"], "server.command", "no-vllm"),
    ):
        # No artifact has to be there to hear it.
        done = subprocess.run(
            [sys.executable, str(recipe.path), *overrides],
            env={**os.environ, "PATH": programs},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr == (
            f"error: {key}: {program!r} is not installed here; this recipe runs in the container "
            f"{recipe.image}. Send it there with --run PROFILE.\n"
        )
