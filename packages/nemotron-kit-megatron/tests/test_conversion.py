"""Megatron checkpoints become Hugging Face models: once, whole or not at all, and recorded."""

from __future__ import annotations

import errno
import importlib
import json
import os
from pathlib import Path

import pytest

from nemo_runspec.artifacts import ModelArtifact, log_artifact, log_artifact_once
from nemo_runspec.conversion import convert_model, find_model
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError, ConfigError, ExecutionError
from nemo_runspec.events import record_checkpoint
from nemotron_kit_megatron import MegatronExporter, checkpoint_saved

WEIGHTS = {"embedding": 1, "layer": 2}


@pytest.fixture
def reference(tmp_path):
    folder = tmp_path / "reference"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"weights": list(WEIGHTS)}))
    (folder / "tokenizer.json").write_text("reference")
    return folder


@pytest.fixture
def save(checkpoint, tracking):
    """Trains to a step: writes a checkpoint and records it, as the hook does."""

    def write(step, weights=None):
        path, save_dir = checkpoint(step)
        Path(path, "weights.json").write_text(json.dumps(weights or WEIGHTS))
        return record_checkpoint(checkpoint_saved(path, save_dir, step), tracking).ref

    return write


@pytest.fixture
def convert(wandb_utils, tracking, tmp_path, reference):
    def run(named, **settings):
        exporter = MegatronExporter(str(reference), **settings)
        return convert_model(find_model(tracking, named), tmp_path / "hf", exporter)

    return run


def test_the_very_step_is_exported_and_recorded_once(save, convert, tracking):
    first, second = save(10), save(20, {"embedding": 7, "layer": 8})

    made = convert(first)
    assert sorted(file.name for file in made.folder.iterdir()) == [
        "config.json",
        "conversion.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    # A save directory holds every step; the one that was named is exported.
    assert (made.folder / "model.safetensors").read_bytes()[-2:] == bytes([1, 2])
    logged = log_artifact_once(made.artifact, tracking, name="nano3-sft-model-hf")
    manifest = tracking.manifest_tracker.read(logged.name, logged.version)
    assert manifest.fields == {"step": 10, "loss": None, "format": "hf"}
    assert manifest.used_artifacts == [first]
    assert manifest.metadata["converted_from"] == first

    again = convert(first)
    assert (again.folder, again.reused, made.reused) == (made.folder, True, False)
    assert log_artifact_once(again.artifact, tracking, name="nano3-sft-model-hf").reused
    other = convert(second)
    assert other.folder != made.folder
    assert (other.folder / "model.safetensors").read_bytes()[-2:] == bytes([7, 8])


def test_an_interrupted_export_is_never_taken_for_a_model(save, convert, monkeypatch, tmp_path):
    ref = save(10)
    bridge = importlib.import_module("megatron.bridge").AutoBridge
    export = bridge.export_ckpt

    def killed(self, megatron_path, hf_path, **settings):
        export(self, megatron_path, hf_path, **settings)
        raise KeyboardInterrupt

    def cut_off(self, megatron_path, hf_path, **settings):
        export(self, megatron_path, hf_path, **settings)
        weights = Path(hf_path, "model.safetensors")
        weights.write_bytes(weights.read_bytes()[:-1])

    def without_tokenizer(self, megatron_path, hf_path, **settings):
        export(self, megatron_path, hf_path, **settings)
        Path(hf_path, "tokenizer.json").unlink()

    def full(self, megatron_path, hf_path, **settings):
        export(self, megatron_path, hf_path, **settings)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), hf_path)

    def offline(self, megatron_path, hf_path, **settings):
        raise OSError("We couldn't connect to the Hub.\nCheck your connection.")

    failures = [
        (killed, KeyboardInterrupt, None),
        (full, ExecutionError, r"failed: No space left on device\..*Free some space"),
        (offline, ExecutionError, r"failed: We couldn't connect to the Hub\.$"),
        (cut_off, ExecutionError, "incomplete model: The file is cut off"),
        (without_tokenizer, ExecutionError, "wrote no tokenizer"),
    ]
    for double, kind, message in failures:
        monkeypatch.setattr(bridge, "export_ckpt", double)
        with pytest.raises(kind, match=message):
            convert(ref)
        assert [each for each in (tmp_path / "hf").iterdir() if each.suffix != ".lock"] == []
    monkeypatch.setattr(bridge, "export_ckpt", export)

    # What a process left that was killed outright is replaced.
    folder = convert(ref).folder
    left = folder.with_name(f".{folder.name}.partial")
    folder.rename(left)
    (left / "conversion.json").unlink()
    assert not convert(ref).reused
    assert not left.exists()


def test_a_model_of_its_own_shape_is_exported_whole(save, convert, monkeypatch):
    ref = save(10, {"embedding": 1, "other": 2})
    with pytest.raises(RuntimeError, match="were not written"):
        convert(ref)
    assert (
        b"other"
        in (convert(ref, architecture="checkpoint").folder / "model.safetensors").read_bytes()
    )
    monkeypatch.delattr(importlib.import_module("megatron.bridge").AutoBridge, "from_auto_config")
    with pytest.raises(ExecutionError, match=r"another shape than .* Releases from 0.5 can"):
        convert(ref, architecture="checkpoint", strict=False)
    with pytest.raises(ConfigError, match="no architecture 'own'"):
        convert(ref, architecture="own")


def test_the_tokenizer_is_the_one_that_the_model_was_trained_with(save, convert, tmp_path):
    trained = tmp_path / "trained"
    trained.mkdir()
    (trained / "tokenizer.json").write_text("trained")
    ref = save(10)
    config = tmp_path / "checkpoints" / "iter_0000010" / "run_config.yaml"
    config.write_text(f"tokenizer:\n  tokenizer_model: {trained}\n")
    assert (convert(ref).folder / "tokenizer.json").read_text() == "trained"


def test_a_step_of_nemo_rl_is_exported_from_below_its_weights(convert, tracking, tmp_path):
    step = tmp_path / "rl" / "step_5"
    weights = step / "policy" / "weights" / "iter_0000000"
    weights.mkdir(parents=True)
    (weights / "weights.json").write_text(json.dumps(WEIGHTS))
    (step / "policy" / "tokenizer").mkdir()
    (step / "policy" / "tokenizer" / "tokenizer.json").write_text("policy")
    model = ModelArtifact(
        path=step.parent, step=5, format="megatron", metadata={"absolute_path": str(step)}
    )
    ref = log_artifact(model, tracking, name="nano3-rl-model").ref

    made = convert(ref)
    assert made.folder.name.startswith("nano3-rl-model-v1-")
    assert (made.folder / "tokenizer.json").read_text() == "policy"
    assert made.artifact.step == 5


def test_what_cannot_be_converted_is_said_before_the_framework_is_asked(
    save, convert, tracking, tmp_path
):
    ref = save(10)
    made = convert(ref)
    hf = log_artifact_once(made.artifact, tracking, name="nano3-sft-model-hf").ref
    with pytest.raises(
        ArtifactError, match="nano3-sft-model-hf:v1 is a Hugging Face model already"
    ):
        convert(hf)
    (tmp_path / "checkpoints").rename(tmp_path / "moved")
    with pytest.raises(ArtifactNotFoundError, match="The checkpoint of nano3-sft-model:v1 is gone"):
        convert(ref)
    # The same weights elsewhere, by their path.
    assert convert(str(tmp_path / "moved" / "iter_0000010")).artifact.step == 10
