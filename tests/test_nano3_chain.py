"""The recipes that ship make a chain: their declarations and the names in their configurations."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nemo_runspec.execution.pipeline import Chain, ChainRequest, build_chain, offers
from nemo_runspec.runspec import discover_recipes

RECIPES = Path(__file__).parents[1] / "recipes"
PRETRAINING = ["data/prep/pretrain", "pretrain"]
TUNING = ["data/prep/sft", "sft"]
LEARNING = ["data/prep/rl", "rl", "rl/convert", "eval"]


def chain(folder: Path, config: str | None = None, *ends: str, family: str = "nano3") -> Chain:
    recipes = discover_recipes([RECIPES]).recipes
    request = ChainRequest(family=family, recipes=recipes, config=config, ends=ends, cwd=folder)
    return build_chain(request)


@pytest.mark.parametrize("config", [None, "tiny", "sample"])
def test_each_stage_of_nano3_reads_what_another_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    found = chain(tmp_path, config)
    # The sample's stages of training name no model, so that each is checked alone.
    converted = [] if config == "sample" else ["sft/convert"]
    order = [*PRETRAINING, *TUNING, *converted, *LEARNING]
    assert [stage.name for stage in found.stages] == order
    assert found.left_out == ()
    sources = {stage.name: set(stage.sources) for stage in found.stages}
    assert sources["pretrain"] == {"data/prep/pretrain"}
    assert sources["sft"] == {"data/prep/sft"} | ({"pretrain"} if converted else set())
    assert sources["rl"] == {"data/prep/rl", *converted}
    assert sources["rl/convert"] == {"rl"}
    assert sources["eval"] == {"rl/convert"}
    suffix = "" if config is None else f"-{config}"
    outputs = {stage.name: stage.output for stage in found.stages}
    assert outputs["rl/convert"] == f"nano3-rl-model{suffix}-hf"
    assert not converted or outputs["sft/convert"] == f"nano3-sft-model{suffix}-hf"


@pytest.mark.parametrize(("family", "first"), [("nano3", "rl"), ("super3", "rl/rlvr1")])
def test_the_stages_of_the_sample_are_told_how_to_read_each_others_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, family: str, first: str
) -> None:
    monkeypatch.chdir(tmp_path)
    recipes = discover_recipes([RECIPES]).recipes
    alone = ChainRequest(family=family, recipes=recipes, config="sample", cwd=tmp_path)
    told = list(offers(build_chain(alone), alone))
    assert [(offer.stage, offer.writer) for offer in told] == [("sft", "pretrain"), (first, "sft")]
    together = replace(alone, overrides=tuple(offer.override for offer in told))
    whole = build_chain(together)
    assert [stage.unset for stage in whole.stages if stage.unset] == []
    sources = {stage.name: set(stage.sources) for stage in whole.stages}
    assert sources["sft"] == {"data/prep/sft", "pretrain"}
    assert "sft/convert" in sources[first]
    assert sources["sft/convert"] == {"sft"}
    assert list(offers(whole, together)) == []


def test_every_sub_stage_of_super3_reads_the_converted_model_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = chain(tmp_path, None, family="super3")
    learning = [name for name in (stage.name for stage in found.stages) if "prep" not in name]
    steps = ["rlvr1", "rlvr2", "rlvr3", "swe1", "swe2", "rlhf"]
    expected = ["pretrain", "sft", "sft/convert"]
    for step in steps:
        expected += [f"rl/{step}", f"rl/{step}/convert"]
    assert learning == [*expected, "eval"]
    sources = {stage.name: set(stage.sources) for stage in found.stages}
    before = "sft"
    for step in steps:
        assert sources[f"rl/{step}"] == {f"data/prep/rl/{step}", f"{before}/convert"}
        before = f"rl/{step}"


def test_sft_on_the_sample_needs_no_pretraining(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert [stage.name for stage in chain(tmp_path, "sample", "sft").stages] == TUNING
    needed = [*PRETRAINING, *TUNING]
    assert [stage.name for stage in chain(tmp_path, None, "sft").stages] == needed
    converted = chain(tmp_path, None, "sft/convert").stages
    assert [stage.name for stage in converted] == [*needed, "sft/convert"]
