"""The recipes that ship make a chain: their declarations and the names in their configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_runspec.execution.pipeline import Chain, ChainRequest, build_chain
from nemo_runspec.runspec import discover_recipes

RECIPES = Path(__file__).parents[1] / "recipes"
ORDER = ["data/prep/pretrain", "pretrain", "data/prep/sft", "sft", "data/prep/rl", "rl"]


def chain(folder: Path, config: str | None = None, *ends: str) -> Chain:
    recipes = discover_recipes([RECIPES]).recipes
    request = ChainRequest(family="nano3", recipes=recipes, config=config, ends=ends, cwd=folder)
    return build_chain(request)


@pytest.mark.parametrize("config", [None, "tiny", "sample"])
def test_each_stage_of_nano3_reads_what_another_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    found = chain(tmp_path, config)
    assert [stage.name for stage in found.stages] == ORDER
    assert found.left_out == ()
    sources = {stage.name: set(stage.sources) for stage in found.stages}
    models = {"sft": {"pretrain"}, "rl": {"sft"}} if config is None else {"sft": set(), "rl": set()}
    assert sources == {
        "data/prep/pretrain": set(),
        "pretrain": {"data/prep/pretrain"},
        "data/prep/sft": set(),
        "sft": {"data/prep/sft"} | models["sft"],
        "data/prep/rl": set(),
        "rl": {"data/prep/rl"} | models["rl"],
    }


def test_sft_on_the_sample_needs_no_pretraining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [stage.name for stage in chain(tmp_path, "sample", "sft").stages] == ORDER[2:4]
    assert [stage.name for stage in chain(tmp_path, None, "sft").stages] == ORDER[:4]
