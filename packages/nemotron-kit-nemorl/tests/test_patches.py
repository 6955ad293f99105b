from __future__ import annotations

import logging

import pytest

from nemo_runspec.artifacts import setup_artifact_tracking
from nemo_runspec.patching import PatchError
from nemotron_kit_nemorl import (
    patch_manifest_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging_both,
)

EVERY = (
    patch_manifest_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging,
    patch_nemo_rl_checkpoint_logging_both,
)


@pytest.fixture
def manager(nemo_rl_checkpoint, tmp_path):
    return nemo_rl_checkpoint.CheckpointManager(tmp_path / "results")


def recorded(tracking, name="nano3-rl-model"):
    tracker = tracking.manifest_tracker
    return [tracker.read(name, version) for version in tracker.versions(name)]


def test_a_checkpoint_that_is_finished_at_once_becomes_a_version(manager, tracking, tmp_path):
    patch_manifest_nemo_rl_checkpoint_logging()
    manager.finalize_checkpoint(manager.init_tmp_checkpoint(10))
    (manifest,) = recorded(tracking)
    assert (manifest.type, manifest.kind) == ("ModelArtifact", "model")
    assert manifest.fields["step"] == 10
    assert manifest.fields["format"] == "hf"
    assert manifest.path == str(tmp_path / "results")
    assert manifest.metadata["absolute_path"] == str(tmp_path / "results" / "step_10")
    assert manifest.metadata["framework"] == "nemo-rl"


def test_checkpoints_that_a_thread_finishes_become_versions(manager, tracking):
    patch_manifest_nemo_rl_checkpoint_logging()
    for step in (10, 20):
        manager.begin_finalization(manager.init_tmp_checkpoint(step))
    manager.finalize_pending()
    assert [manifest.fields["step"] for manifest in recorded(tracking)] == [10, 20]


def test_the_manager_of_an_earlier_version_is_patched_too(
    nemo_rl_checkpoint, tracking, tmp_path, monkeypatch
):
    earlier = nemo_rl_checkpoint.EarlierCheckpointManager
    monkeypatch.setattr(nemo_rl_checkpoint, "CheckpointManager", earlier)
    patch = patch_manifest_nemo_rl_checkpoint_logging()
    assert patch.target.endswith("CheckpointManager.finalize_checkpoint")
    manager = earlier(tmp_path / "results")
    manager.finalize_checkpoint(checkpoint_path=manager.init_tmp_checkpoint(7))
    assert [manifest.fields["step"] for manifest in recorded(tracking)] == [7]


def test_weights_of_the_megatron_backend_are_told_apart(manager, tracking):
    patch_manifest_nemo_rl_checkpoint_logging()
    working = manager.init_tmp_checkpoint(10)
    (working / "policy" / "weights" / "iter_0000000").mkdir()
    manager.finalize_checkpoint(working)
    assert recorded(tracking)[0].fields["format"] == "megatron"


def test_another_name_is_taken(manager, tracking):
    patch_manifest_nemo_rl_checkpoint_logging(artifact_name="my-model")
    manager.finalize_checkpoint(manager.init_tmp_checkpoint(10))
    assert len(recorded(tracking, "my-model")) == 1


def test_patching_again_keeps_the_first_and_undoing_restores(manager, tracking):
    original = vars(type(manager))["_rename_checkpoint"]
    patch = patch_manifest_nemo_rl_checkpoint_logging()
    assert patch_manifest_nemo_rl_checkpoint_logging() is patch
    patch.undo()
    assert vars(type(manager))["_rename_checkpoint"] is original
    manager.finalize_checkpoint(manager.init_tmp_checkpoint(10))
    assert recorded(tracking) == []


def test_a_store_that_fails_never_reaches_training(manager, tmp_path, caplog):
    root = tmp_path / "root"
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": str(root)}}}):
        patch_manifest_nemo_rl_checkpoint_logging("model")
    root.mkdir(exist_ok=True)
    (root / "model").write_text("a file where a folder should be", "utf-8")
    with caplog.at_level(logging.ERROR):
        manager.begin_finalization(manager.init_tmp_checkpoint(10))
        manager.finalize_pending()
    assert "was not recorded" in caplog.text


def test_a_checkpoint_that_failed_is_not_recorded(manager, tracking):
    patch_manifest_nemo_rl_checkpoint_logging()

    def fail():
        raise OSError("a writer died")

    manager.begin_finalization(manager.init_tmp_checkpoint(10), wait_fn=fail)
    with pytest.raises(RuntimeError, match="finalization failed"):
        manager.finalize_pending()
    assert recorded(tracking) == []


def test_a_checkpoint_of_an_unknown_form_is_logged_and_training_goes_on(manager, tracking, caplog):
    patch_manifest_nemo_rl_checkpoint_logging()
    odd = manager.checkpoint_dir / "tmp_best"
    odd.mkdir(parents=True)
    manager.finalize_checkpoint(odd)
    assert "is named tmp_step_N" in caplog.text
    assert recorded(tracking) == []


def test_a_manager_that_finishes_otherwise_is_one_clear_error(nemo_rl_checkpoint, monkeypatch):
    monkeypatch.setattr(nemo_rl_checkpoint, "CheckpointManager", type("CheckpointManager", (), {}))
    message = r"neither CheckpointManager\._rename_checkpoint nor .*finalize_checkpoint"
    with pytest.raises(PatchError, match=message):
        patch_manifest_nemo_rl_checkpoint_logging()


def test_without_nemo_rl_patching_is_one_clear_error():
    with pytest.raises(PatchError, match=r"nemo_rl\..* cannot be imported"):
        patch_manifest_nemo_rl_checkpoint_logging()


@pytest.mark.parametrize("patch_logging", EVERY)
def test_every_function_records_in_the_tracking(manager, tracking, patch_logging):
    patch_logging(artifact_name="named")
    manager.finalize_checkpoint(manager.init_tmp_checkpoint(10))
    assert [manifest.fields["step"] for manifest in recorded(tracking, "named")] == [10]


@pytest.mark.parametrize("order", [EVERY, EVERY[::-1]], ids=["as listed", "backwards"])
def test_all_functions_together_make_one_record(manager, tracking, order):
    first, *later = [patch_logging() for patch_logging in order]
    assert all(patch is first for patch in later)
    manager.begin_finalization(manager.init_tmp_checkpoint(10))
    manager.finalize_pending()
    assert len(recorded(tracking)) == 1


def test_a_second_name_for_the_same_checkpoints_is_refused(manager, tracking, caplog):
    patch_nemo_rl_checkpoint_logging_both("model")
    patch_nemo_rl_checkpoint_logging("another")
    assert "are recorded already; not a second time as 'another'" in caplog.text


def test_a_hook_may_be_put_on_before_any_tracking_is_set_up(manager, tmp_path, caplog):
    patch_nemo_rl_checkpoint_logging()
    root = str(tmp_path / "store")
    config = {"run": {"output": "model"}, "artifacts": {"manifest": {"root": root}}}
    with setup_artifact_tracking(config) as tracking:
        manager.finalize_checkpoint(manager.init_tmp_checkpoint(10))
        manager.finalize_checkpoint(manager.init_tmp_checkpoint(20))
    assert [manifest.fields["step"] for manifest in recorded(tracking, "model")] == [10, 20]
    warning = "not recorded in the backend wandb, which is off: set artifacts.wandb=true"
    assert caplog.text.count(warning) == 1
