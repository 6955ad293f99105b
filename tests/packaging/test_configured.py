"""A packaged script reads its configuration, and overrides, as it does in the workspace."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging_lab.outcomes import run
from packaging_lab.places import PYTHONS, Places

from nemo_runspec.packaging import PackagedJob, package_script

SCRIPT = Path(__file__).parent / "configured" / "train.py"
FILES = ("train.py", "config.yaml", "none.yaml")


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> PackagedJob:
    output = tmp_path_factory.mktemp("job") / "job"
    return package_script(SCRIPT, output, config=SCRIPT.with_name("config.yaml"))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    "words", [(), ("--config", "config.yaml", "model.rate=5e-5", "steps=[1,2]", "model.layers=1")]
)
def test_the_same_settings_come_out(
    job: PackagedJob, places: Places, python: str, words: Sequence[str]
) -> None:
    expected = run([sys.executable, SCRIPT.name, *words], FILES, cwd=SCRIPT.parent)
    found = run([places.at(python).bare, job.main.name, *words], FILES, cwd=job.main.parent)
    assert (found.code, found.stderr) == (0, "")
    settings = json.loads(expected.stdout)
    blend = settings["blend"]["datasets"]
    assert blend == [{"name": "one", "path": "one.jsonl"}]
    assert json.loads(found.stdout) == settings
    assert settings["model"]["layers"] == (1 if words else 4)


def test_the_files_that_the_configuration_names_come_along(job: PackagedJob) -> None:
    assert job.config == job.main.with_name("config.yaml")
    assert sorted(file.name for file in job.files) == ["blend.json", "one.jsonl"]


@pytest.mark.parametrize("words", [("model.layer=1",), ("steps=[x]",), ("--config", "none.yaml")])
def test_mistakes_are_told_in_the_same_words(
    job: PackagedJob, places: Places, words: Sequence[str]
) -> None:
    expected = run([sys.executable, SCRIPT.name, *words], FILES, cwd=SCRIPT.parent)
    found = run([places.at("3.11").bare, job.main.name, *words], FILES, cwd=job.main.parent)
    assert found.code == expected.code == 1
    assert found.stderr.splitlines()[-1] == expected.stderr.splitlines()[-1]
