"""NeMo-RL's DTensor checkpoints become Hugging Face models by its own converter."""

from __future__ import annotations

import json

import pytest

from nemo_runspec.artifacts import ModelArtifact, log_artifact
from nemo_runspec.conversion import convert_model, find_model
from nemo_runspec.errors import ExecutionError
from nemotron_kit_nemorl import DcpExporter

POLICY = """
policy:
  model_name: org/model
  tokenizer:
    name: org/tokenizer
  hf_overrides:
    rope: long
"""


@pytest.fixture
def step(tmp_path, tracking):
    folder = tmp_path / "rl" / "step_5"
    (folder / "policy" / "weights").mkdir(parents=True)
    (folder / "policy" / "weights" / ".metadata").write_text("x")
    (folder / "config.yaml").write_text(POLICY)
    model = ModelArtifact(
        path=folder.parent, step=5, format="dcp", metadata={"absolute_path": str(folder)}
    )
    log_artifact(model, tracking, name="nano3-rl-model")
    return folder


def test_a_step_is_converted_with_the_model_and_tokenizer_that_it_names(
    nemo_rl_checkpoint, step, tracking, tmp_path, monkeypatch
):
    def before_0_6(**_given):
        raise AssertionError("We expect that the state dict only has the top level model key")

    def convert(**settings):
        source = find_model(tracking, "nano3-rl-model")
        return convert_model(source, tmp_path / "hf", DcpExporter(**settings)).folder

    folder = convert()
    given = json.loads((folder / "config.json").read_text())
    assert given == {
        "weights": str(step / "policy" / "weights"),
        "model": "org/model",
        "rope": "long",
    }
    assert (folder / "tokenizer.json").read_text() == "org/tokenizer"

    # The tokenizer that training saved is taken before the one that was named.
    (step / "policy" / "tokenizer").mkdir()
    folder = convert(hf_model="org/other")
    assert json.loads((folder / "config.json").read_text())["model"] == "org/other"
    assert (folder / "tokenizer.json").read_text() == str(step / "policy" / "tokenizer")

    # The newer backend writes one deeper, and releases before 0.6 expect the older one's content.
    weights = step / "policy" / "weights"
    (weights / "model").mkdir()
    (weights / ".metadata").rename(weights / "model" / ".metadata")
    assert json.loads((convert() / "config.json").read_text())["weights"] == str(weights / "model")
    monkeypatch.setattr("nemo_rl.utils.native_checkpoint.convert_dcp_to_hf", before_0_6)
    with pytest.raises(
        ExecutionError, match=r"newer DTensor backend writes.*Releases from 0\.6 do"
    ):
        convert(hf_model="org/another")
    (weights / "model" / ".metadata").rename(weights / ".metadata")

    (step / "config.yaml").write_text("policy: null\n")
    with pytest.raises(ExecutionError, match=r"does not say which model.*hf_model=NAME"):
        convert()
    (step / "policy" / "weights" / ".metadata").rename(step / "policy" / "weights" / "part")
    with pytest.raises(ExecutionError, match=r"parts of safetensors.*model_save_format=torch_save"):
        convert(hf_model="org/other")


def test_without_the_framework_the_cure_is_said(step, tracking, tmp_path):
    with pytest.raises(ExecutionError, match=r"NeMo-RL is not installed here.*run\.env\.container"):
        convert_model(find_model(tracking, "nano3-rl-model"), tmp_path / "hf", DcpExporter())
