"""Checkpoints that the frameworks save, as the server gets to know them."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path

import pytest
import wandb
from wandb_server import picture

from nemo_runspec.artifacts import setup_artifact_tracking
from nemotron.kit.wandb import (
    finish_run,
    init_wandb_from_env,
    patch_checkpoint_logging_both,
    patch_manifest_checkpoint_logging,
    patch_manifest_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging_both,
    patch_wandb_checkpoint_logging,
    patch_wandb_init_for_lineage,
)
from nemotron_kit_wandb import withdrawals

PACKAGES = Path(__file__).parents[2] / "packages"
MEGATRON = (
    patch_manifest_checkpoint_logging,
    patch_wandb_checkpoint_logging,
    patch_checkpoint_logging_both,
)
NEMO_RL = (
    patch_nemo_rl_checkpoint_logging_both,
    patch_manifest_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging,
)


def double(package, module, monkeypatch):
    monkeypatch.syspath_prepend(str(PACKAGES / package / "tests" / "double"))
    return importlib.import_module(module)


@pytest.fixture
def wandb_utils(monkeypatch):
    package = "nemotron-kit-megatron"
    yield double(package, "megatron.bridge.training.utils.wandb_utils", monkeypatch)
    forget("megatron")


@pytest.fixture
def manager(monkeypatch, tmp_path):
    module = double("nemotron-kit-nemorl", "nemo_rl.utils.checkpoint", monkeypatch)
    yield module.CheckpointManager({"checkpoint_dir": tmp_path / "results"})
    forget("nemo_rl")


@pytest.fixture(autouse=True)
def _in_a_container(server, own_world, monkeypatch):
    monkeypatch.setenv("NEMO_RUN_DIR", str(own_world / "lustre"))
    monkeypatch.setenv("WANDB_PROJECT", "nemotron")
    monkeypatch.setenv("WANDB_ENTITY", "team")


@pytest.fixture(autouse=True)
def _no_notice_on_its_way(monkeypatch):
    """What is said of withdrawn versions is said before the next test, to this one's server."""
    monkeypatch.setattr(withdrawals, "_PAUSE_S", 0.1)
    yield
    joined()


def joined():
    for thread in threading.enumerate():
        if thread.name == withdrawals.THREAD:
            thread.join()


def forget(package):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def tracking_of(folder, backends):
    root = str(folder / "store") if backends == "both" else None
    config = {
        "run": {"output": "model", "wandb": {"project": "nemotron", "entity": "team"}},
        "artifacts": {"wandb": True, "manifest": {"root": root}},
    }
    return setup_artifact_tracking(config)


@pytest.mark.parametrize("backends", ["both", "W&B alone"])
def test_a_checkpoint_of_megatron_bridge_is_one_artifact(
    server, tmp_path, wandb_utils, caplog, backends
):
    with tracking_of(tmp_path, backends):
        patches = [patch() for patch in MEGATRON]
        init_wandb_from_env(job_type="training")
        for iteration in (20, 20, 40):
            path = f"/nemo_run/sft/iter_{iteration:07d}"
            wandb_utils.on_save_checkpoint_success(path, "/nemo_run/sft", iteration, wandb)
        finish_run()
    patches[0].undo()
    seen = picture.take(server.state)
    assert sorted(seen.artifacts) == ["team/nemotron/model:v0", "team/nemotron/model:v1"]
    told = seen.artifacts["team/nemotron/model:v1"]
    assert told.type == "model"
    host = tmp_path / "lustre" / "sft"
    assert told.metadata["path"] == str(host)
    assert told.metadata["absolute_path"] == str(host / "iter_0000040")
    assert (told.metadata["step"], told.metadata["framework"]) == (40, "megatron-bridge")
    assert told.aliases == ({"latest", "manifest-v2"} if backends == "both" else {"latest"})
    assert wandb_utils.writers == [None, None, None]
    off = "not recorded in the backend manifest, which is off"
    assert (off in caplog.text) is (backends != "both")


@pytest.mark.parametrize("backends", ["both", "W&B alone"])
def test_a_checkpoint_that_a_thread_of_nemo_rl_finishes_is_one_artifact(
    server, tmp_path, manager, backends
):
    patches = [patch(artifact_name="ModelArtifact-rl") for patch in NEMO_RL]
    with tracking_of(tmp_path, backends):
        patch_wandb_init_for_lineage(tags=["rl"])
        wandb.init(project="nemotron", entity="team")
        for step in (10, 20):
            manager.begin_finalization(manager.init_tmp_checkpoint(step, {}))
        manager.finalize_pending()
        wandb.finish()
        patch_wandb_init_for_lineage().undo()
    patches[0].undo()
    seen = picture.take(server.state)
    steps = [f"team/nemotron/ModelArtifact-rl:v{number}" for number in (0, 1)]
    assert sorted(seen.artifacts) == steps
    told = seen.artifacts[steps[1]]
    assert told.metadata["absolute_path"] == str(tmp_path / "results" / "step_20")
    assert (told.metadata["step"], told.metadata["format"]) == (20, "dcp")
    (run,) = seen.runs.values()
    assert (run.outputs, run.tags, run.exit_code) == (frozenset(steps), ("rl",), 0)


@pytest.mark.parametrize("fallen", ["from the start", "in the middle"])
def test_w_and_b_that_is_down_costs_no_checkpoint_of_nemo_rl(
    server, tmp_path, manager, caplog, fallen
):
    manager.keep_top_k = 1
    if fallen == "from the start":
        server.down()
    with tracking_of(tmp_path, "both") as tracking:
        patch = patch_nemo_rl_checkpoint_logging_both()
        for step in (10, 20):
            manager.begin_finalization(manager.init_tmp_checkpoint(step, {}))
            manager.finalize_pending()
            server.down()
        manager.shutdown()
        patch.undo()
        tracker = tracking.manifest_tracker
        assert [tracker.read("model", version).fields["step"] for version in (1, 2)] == [10, 20]
        assert tracker.latest_version("model") == 2
        assert tracker.withdrawal("model", 1) is not None
    assert "W&B does not show that team/nemotron/model:manifest-v1 is withdrawn" in heard(caplog)


def heard(caplog):
    """The log, when those who say something about withdrawn versions have said it."""
    joined()
    return caplog.text


@pytest.mark.parametrize("backends", ["both", "W&B alone"])
def test_the_page_of_a_deleted_checkpoint_says_so(server, tmp_path, manager, backends):
    manager.keep_top_k = 1
    with tracking_of(tmp_path, backends):
        patch = patch_nemo_rl_checkpoint_logging_both()
        wandb.init(project="nemotron", entity="team")
        for step in (10, 20):
            manager.begin_finalization(manager.init_tmp_checkpoint(step, {}))
            manager.finalize_pending()
        manager.shutdown()
        patch.undo()

        def notices():
            artifacts = picture.take(server.state).artifacts.values()
            return {told.metadata["step"]: told.metadata.get("withdrawn") for told in artifacts}

        server.wait_until(lambda: notices().get(10) is not None)
        finish_run()
    assert notices() == {
        10: "NeMo-RL deleted the checkpoint (checkpointing.keep_top_k, ft_keep_latest_k).",
        20: None,
    }
