"""The patch of nemotron-kit-megatron meets the module that Megatron-Bridge really ships."""

from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest

from nemo_runspec.artifacts import LoggedArtifact, backends, setup_artifact_tracking
from nemotron_kit_megatron import (
    patch_checkpoint_logging_both,
    patch_manifest_checkpoint_logging,
)

DOUBLE = "packages/nemotron-kit-megatron/tests/double/megatron/bridge/training/utils/wandb_utils.py"


@pytest.fixture
def wandb_utils(bridge_module):
    return bridge_module("training.utils.wandb_utils")


def test_the_real_hook_is_patched_and_records(wandb_utils, tmp_path):
    path = tmp_path / "pretrain" / "iter_0000020"
    path.mkdir(parents=True)
    config = {
        "run": {"output": "nano3-pretrain-model"},
        "artifacts": {"manifest": {"root": str(tmp_path / "store")}},
    }
    with setup_artifact_tracking(config) as tracking:
        patch = patch_manifest_checkpoint_logging()
        wandb_utils.on_save_checkpoint_success(str(path), str(path.parent), 25, None)
        patch.undo()
        wandb_utils.on_save_checkpoint_success(str(path), str(path.parent), 30, None)
        manifest = tracking.manifest_tracker.read("nano3-pretrain-model", 1)
        assert tracking.manifest_tracker.latest_version("nano3-pretrain-model") == 1
    assert manifest.fields["step"] == 20
    assert manifest.metadata["absolute_path"] == str(path)


class Service:
    """A W&B backend that notes what it is given."""

    backend = "wandb"

    def __init__(self):
        self.logged = []

    def log(self, artifact, *, name, lineage):  # noqa: ARG002 - as trackers have it
        self.logged.append((name, artifact.step))
        return LoggedArtifact(name, len(self.logged) - 1)

    def resolve(self, reference):
        raise NotImplementedError


class Writer:
    """Stands where the framework holds the wandb module: whatever it is asked for is noted."""

    def __init__(self):
        self.asked = []

    def __getattr__(self, name):
        self.asked.append(name)
        raise AttributeError(name)


@pytest.mark.parametrize("wandb", [True, False])
def test_the_frameworks_own_artifact_is_left_out_where_wandb_gets_ours(
    wandb_utils, tmp_path, monkeypatch, wandb
):
    service, writer = Service(), Writer()
    monkeypatch.setitem(backends._registered, "wandb", lambda: service)
    path = tmp_path / "pretrain" / "iter_0000020"
    path.mkdir(parents=True)
    config = {"run": {"output": "model"}, "artifacts": {"wandb": wandb}}
    with setup_artifact_tracking(config):
        patch = patch_checkpoint_logging_both()
        wandb_utils.on_save_checkpoint_success(str(path), str(path.parent), 20, writer)
        patch.undo()
    assert service.logged == ([("model", 20)] if wandb else [])
    assert writer.asked == ([] if wandb else ["Artifact"])


def test_the_double_of_the_package_tests_has_the_real_signature(wandb_utils):
    spec = importlib.util.spec_from_file_location("double", Path(__file__).parents[2] / DOUBLE)
    double = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(double)
    real = inspect.signature(wandb_utils.on_save_checkpoint_success)
    assert list(inspect.signature(double.on_save_checkpoint_success).parameters) == list(
        real.parameters
    )
