from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_runspec.naming import output_artifact_name


@pytest.mark.parametrize(
    ("recipe", "config", "name"),
    [
        ("nano3/data/prep/sft", "default", "nano3-sft-data"),
        ("nano3/data/prep/sft", "sample", "nano3-sft-data-sample"),
        ("nano3/data/prep/pretrain", "tiny", "nano3-pretrain-data-tiny"),
        ("nano3/sft", "default", "nano3-sft-model"),
        ("super3/rl", "tiny", "super3-rl-model-tiny"),
        ("nano3/rl/grpo", "default", "nano3-rl-grpo-model"),
        ("nano3/eval", "tiny", "nano3-eval-results-tiny"),
        ("nano3/data/prep", "default", "nano3-data-prep-model"),
        ("solo", "default", "solo-model"),
        ("nano3/sft", "/configs/my run.yaml", "nano3-sft-model-my-run"),
        ("nano3/sft", "/configs/default.toml", "nano3-sft-model"),
        ("nano3/sft", "exp/v1.5", "nano3-sft-model-v1.5"),
    ],
)
def test_names_what_a_recipe_makes(recipe: str, config: str, name: str) -> None:
    assert output_artifact_name(recipe, config) == name


@given(st.text(), st.text())
def test_every_name_is_a_valid_artifact_name(recipe: str, config: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", output_artifact_name(recipe, config))
