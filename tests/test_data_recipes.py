"""Every data recipe with each of its configurations, as far as it can be checked offline."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.config import load_omegaconf_yaml, omegaconf_to_dataclass
from nemo_runspec.runspec import parse
from nemotron_data_prep import PretrainPrepConfig, RlPrepConfig, SftPrepConfig, resolve_inputs
from nemotron_data_prep.blend_file import read_blend
from nemotron_data_prep.config import PrepConfig

ROOT = Path(__file__).parents[1]
BLENDS = ROOT / "recipes" / "blends"
FAMILIES = ("nano3", "super3")
SUB_STAGES = ("rlvr1", "rlvr2", "rlvr3", "swe1", "swe2", "rlhf")
CONFIGS: dict[str, type[PrepConfig]] = {
    "pretrain": PretrainPrepConfig,
    "sft": SftPrepConfig,
    "rl": RlPrepConfig,
}
ARTIFACTS = {
    "pretrain": "PretrainBlendsArtifact",
    "sft": "SFTDataArtifact",
    "rl": "SplitJsonlDataArtifact",
}


def folders(family: str, stage: str) -> list[Path]:
    folder = ROOT / "recipes" / family / f"stage{list(CONFIGS).index(stage)}_{stage}"
    if (family, stage) == ("super3", "rl"):
        return [folder / name for name in SUB_STAGES]
    return [folder]


def recipes() -> Iterator[Any]:
    for family in FAMILIES:
        for stage in CONFIGS:
            for folder in folders(family, stage):
                name = f"{stage}/{folder.name}" if folder.name in SUB_STAGES else stage
                yield pytest.param(folder / "data_prep.py", f"{family}/data/prep/{name}", stage)


def configured() -> Iterator[Any]:
    for recipe in recipes():
        script, _, stage = recipe.values
        for file in sorted((script.parent / "config" / "data_prep").iterdir()):
            yield pytest.param(file, stage, id=str(file.relative_to(ROOT / "recipes")))


def settings_of(file: Path, stage: str) -> PrepConfig:
    return omegaconf_to_dataclass(load_omegaconf_yaml(file), CONFIGS[stage])


@pytest.mark.parametrize(("script", "name", "stage"), list(recipes()))
def test_a_recipe_is_a_command_with_three_configurations(
    script: Path, name: str, stage: str
) -> None:
    runspec = parse(script)
    assert runspec.name == name
    assert runspec.config.default == "default"
    assert runspec.artifacts.writes == ARTIFACTS[stage]
    names = {file.stem for file in runspec.config.dir.iterdir()}
    assert names == {"default", "tiny", "sample"}


@pytest.mark.parametrize(("file", "stage"), list(configured()))
def test_a_configuration_fits_and_its_blend_is_readable(file: Path, stage: str) -> None:
    recipe = file.parents[2]
    settings = resolve_inputs(settings_of(file, stage), recipe)
    assert settings.blend.is_relative_to(ROOT / "recipes")
    assert read_blend(settings.blend)
    assert file.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("stage", CONFIGS)
@pytest.mark.parametrize("name", ["default", "tiny", "sample"])
def test_families_differ_only_where_they_differ_in_fact(stage: str, name: str) -> None:
    (nano,) = (resolved(folder, name, stage) for folder in folders("nano3", stage))
    in_fact = {
        "default": {"pretrain": {"blend", "tokenizer"}, "sft": {"blend", "tokenizer"}}.get(
            stage, {"blend", "split"}
        ),
        "tiny": set() if stage == "rl" else {"tokenizer"},
        "sample": set(),
    }[name]
    for folder in folders("super3", stage):
        other = resolved(folder, name, stage)
        different = {
            field.name
            for field in fields(nano)
            if getattr(nano, field.name) != getattr(other, field.name)
        }
        assert different == in_fact | {"output_dir"}


def resolved(recipe: Path, name: str, stage: str) -> PrepConfig:
    file = recipe / "config" / "data_prep" / f"{name}.yaml"
    return resolve_inputs(settings_of(file, stage), recipe)


@pytest.mark.parametrize(("file", "stage"), list(configured()))
def test_every_setting_can_be_overridden_without_a_plus(file: Path, stage: str) -> None:
    known = {field.name for field in fields(CONFIGS[stage])}
    assert set(load_omegaconf_yaml(file)) == known


def test_no_two_configurations_write_into_one_folder() -> None:
    found = [settings_of(*case.values).output_dir for case in configured()]
    assert len(found) == len(set(found))


def test_the_blends_are_built_again_to_the_byte(tmp_path: Path) -> None:
    subprocess.run([sys.executable, BLENDS / "build.py", "--out", tmp_path], check=True)
    built = {file.relative_to(tmp_path): file.read_bytes() for file in tmp_path.rglob("*.json")}
    kept = {file.relative_to(BLENDS): file.read_bytes() for file in BLENDS.rglob("*.json")}
    assert built == kept


@pytest.mark.parametrize("family", FAMILIES)
def test_pretraining_weights_are_the_shares_of_the_report(family: str) -> None:
    datasets = read_blend(BLENDS / family / "pretrain.json")
    web = sum(d.weight for d in datasets if "Nemotron-CC-v2" in d.path)
    shares = {"nano3": (51.1 + 5.0, 93.0), "super3": (47.7 + 5.0, 91.0)}[family]
    assert web == pytest.approx(shares[0], abs=0.1)
    assert sum(dataset.weight for dataset in datasets) == pytest.approx(shares[1], abs=0.1)


def test_what_super_adds_to_the_text_of_nano_is_one_repository() -> None:
    nano, super_ = (
        {(d.path, d.subset) for d in read_blend(BLENDS / family / "pretrain.json")}
        for family in FAMILIES
    )
    assert {path.rpartition("/")[2] for path, _ in super_ - nano} == {
        "Nemotron-Pretraining-Specialized-v1.1"
    }
    assert nano < super_


def test_every_repository_of_a_blend_is_in_the_readme() -> None:
    readme = (BLENDS / "README.md").read_text(encoding="utf-8")
    used = {
        dataset.path.split("/")[4]
        for file in BLENDS.rglob("*.json")
        for dataset in read_blend(file)
    }
    assert [repo for repo in sorted(used) if f"nvidia/{repo})" not in readme] == []


def test_each_sub_stage_has_a_blend_of_its_own() -> None:
    blends = [resolved(folder, "default", "rl").blend.stem for folder in folders("super3", "rl")]
    assert blends == [f"rl-{name}" for name in SUB_STAGES]


def test_the_artifact_is_named_after_family_stage_and_configuration() -> None:
    words = ("super3", "data", "prep", "pretrain", "-c", "tiny", "--dry-run", "--json")
    done = subprocess.run(
        [sys.executable, "-m", "nemotron", *words], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout)["output"] == "super3-pretrain-data-tiny"
