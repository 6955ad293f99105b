from __future__ import annotations

import logging
import shutil
from pathlib import PurePosixPath

import pytest

from nemo_runspec.artifacts import setup_artifact_tracking
from nemo_runspec.errors import ArtifactWithdrawnError
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
    return manager_of(nemo_rl_checkpoint.CheckpointManager, tmp_path)


def manager_of(kind, folder, **config):
    return kind({"checkpoint_dir": str(folder / "results"), **config})


def working(manager, step, **info):
    return manager.init_tmp_checkpoint(step, info)


def recorded(tracking, name="nano3-rl-model"):
    tracker = tracking.manifest_tracker
    return [tracker.read(name, version) for version in tracker.versions(name)]


def test_a_checkpoint_that_is_finished_at_once_becomes_a_version(manager, tracking, tmp_path):
    patch_manifest_nemo_rl_checkpoint_logging()
    manager.finalize_checkpoint(working(manager, 10))
    (manifest,) = recorded(tracking)
    assert (manifest.type, manifest.kind) == ("ModelArtifact", "model")
    assert manifest.fields["step"] == 10
    assert manifest.fields["format"] == "dcp"
    assert manifest.path == str(tmp_path / "results")
    assert manifest.metadata["absolute_path"] == str(tmp_path / "results" / "step_10")
    assert manifest.metadata["framework"] == "nemo-rl"
    # Those that Megatron-Bridge's checkpoints have.
    keys = {"absolute_path", "iteration", "framework", "step", "loss", "format"}
    assert manifest.metadata.keys() == keys


def test_the_host_path_of_a_container_is_recorded(kind, tracking, tmp_path, monkeypatch):
    monkeypatch.setattr("nemo_runspec.container_paths._RUN_MOUNT", PurePosixPath(tmp_path))
    monkeypatch.setenv("NEMO_RUN_DIR", "/lustre/jobs/7")
    patch_manifest_nemo_rl_checkpoint_logging()
    manager = manager_of(kind, tmp_path, keep_top_k=1)
    for step in (10, 20):
        finish(manager, working(manager, step))
    manager.shutdown()
    manifest = tracking.manifest_tracker.read("nano3-rl-model", 2)
    assert manifest.path == "/lustre/jobs/7/results"
    assert manifest.metadata["absolute_path"] == "/lustre/jobs/7/results/step_20"
    assert use(tracking) == {1: PRUNED, 2: 20}


def test_checkpoints_that_a_thread_finishes_become_versions(manager, tracking):
    patch_manifest_nemo_rl_checkpoint_logging()
    for step in (10, 20):
        manager.begin_finalization(working(manager, step))
    manager.finalize_pending()
    assert [manifest.fields["step"] for manifest in recorded(tracking)] == [10, 20]


def test_the_manager_of_an_earlier_version_is_patched_too(
    nemo_rl_checkpoint, tracking, tmp_path, monkeypatch
):
    earlier = nemo_rl_checkpoint.EarlierCheckpointManager
    monkeypatch.setattr(nemo_rl_checkpoint, "CheckpointManager", earlier)
    patch = patch_manifest_nemo_rl_checkpoint_logging()
    assert patch.target.endswith("CheckpointManager.finalize_checkpoint")
    manager = manager_of(earlier, tmp_path)
    manager.finalize_checkpoint(checkpoint_path=working(manager, 7))
    assert [manifest.fields["step"] for manifest in recorded(tracking)] == [7]


def test_weights_of_the_megatron_backend_are_told_apart(manager, tracking):
    patch_manifest_nemo_rl_checkpoint_logging()
    place = working(manager, 10)
    (place / "policy" / "weights" / "iter_0000000").mkdir()
    manager.finalize_checkpoint(place)
    assert recorded(tracking)[0].fields["format"] == "megatron"


def test_another_name_is_taken(manager, tracking):
    patch_manifest_nemo_rl_checkpoint_logging(artifact_name="my-model")
    manager.finalize_checkpoint(working(manager, 10))
    assert len(recorded(tracking, "my-model")) == 1


def test_patching_again_keeps_the_first_and_undoing_restores(manager, tracking):
    original = vars(type(manager))["_rename_checkpoint"]
    patch = patch_manifest_nemo_rl_checkpoint_logging()
    assert patch_manifest_nemo_rl_checkpoint_logging() is patch
    patch.undo()
    assert vars(type(manager))["_rename_checkpoint"] is original
    manager.finalize_checkpoint(working(manager, 10))
    assert recorded(tracking) == []


def test_a_store_that_fails_never_reaches_training(manager, tmp_path, caplog):
    root = tmp_path / "root"
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": str(root)}}}):
        patch_manifest_nemo_rl_checkpoint_logging("model")
    root.mkdir(exist_ok=True)
    (root / "model").write_text("a file where a folder should be", "utf-8")
    with caplog.at_level(logging.ERROR):
        manager.begin_finalization(working(manager, 10))
        manager.finalize_pending()
    assert "was not recorded" in caplog.text


def test_a_checkpoint_that_failed_is_not_recorded(manager, tracking):
    patch_manifest_nemo_rl_checkpoint_logging()

    def fail():
        raise OSError("a writer died")

    manager.begin_finalization(working(manager, 10), wait_fn=fail)
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
    message = (
        r"NeMo-RL: .* neither CheckpointManager\._rename_checkpoint nor .*finalize_checkpoint"
        r".* Releases 0\.2\.1 to 0\.7 work"
    )
    with pytest.raises(PatchError, match=message):
        patch_manifest_nemo_rl_checkpoint_logging()


def test_without_nemo_rl_patching_is_one_clear_error():
    with pytest.raises(PatchError, match=r"nemo_rl\..* cannot be imported"):
        patch_manifest_nemo_rl_checkpoint_logging()


@pytest.mark.parametrize("patch_logging", EVERY)
def test_every_function_records_in_the_tracking(manager, tracking, patch_logging):
    patch_logging(artifact_name="named")
    manager.finalize_checkpoint(working(manager, 10))
    assert [manifest.fields["step"] for manifest in recorded(tracking, "named")] == [10]


@pytest.mark.parametrize("order", [EVERY, EVERY[::-1]], ids=["as listed", "backwards"])
def test_all_functions_together_make_one_record(manager, tracking, order):
    first, *later = [patch_logging() for patch_logging in order]
    assert all(patch is first for patch in later)
    manager.begin_finalization(working(manager, 10))
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
        manager.finalize_checkpoint(working(manager, 10))
        manager.finalize_checkpoint(working(manager, 20))
    assert [manifest.fields["step"] for manifest in recorded(tracking, "model")] == [10, 20]
    warning = "not recorded in the backend wandb, which is off: set artifacts.wandb=true"
    assert caplog.text.count(warning) == 1


@pytest.fixture(params=["CheckpointManager", "EarlierCheckpointManager"])
def kind(request, nemo_rl_checkpoint, monkeypatch):
    """The manager of each generation, where training code finds it."""
    found = getattr(nemo_rl_checkpoint, request.param)
    monkeypatch.setattr(nemo_rl_checkpoint, "CheckpointManager", found)
    return found


def finish(manager, place):
    """Finish as each generation's training loop does."""
    getattr(manager, "begin_finalization", manager.finalize_checkpoint)(place)


def use(tracking, name="nano3-rl-model"):
    """The steps of the versions that are in use, and why the others are not."""
    tracker = tracking.manifest_tracker
    found = {}
    for version in tracker.versions(name):
        notice = tracker.withdrawal(name, version)
        step = tracker.read(name, version).fields["step"]
        found[version] = step if notice is None else notice.reason
    return found


PRUNED = "NeMo-RL deleted the checkpoint (checkpointing.keep_top_k, ft_keep_latest_k)."
REWARDS = {10: 0.2, 20: 0.9, 30: 0.5, 40: 0.7}


def test_the_versions_of_deleted_checkpoints_are_withdrawn(kind, tracking, tmp_path):
    patch_manifest_nemo_rl_checkpoint_logging()
    manager = manager_of(kind, tmp_path, metric_name="reward", keep_top_k=1)
    for step, reward in REWARDS.items():
        finish(manager, working(manager, step, reward=reward))
    manager.shutdown()
    assert use(tracking) == {1: PRUNED, 2: 20, 3: PRUNED, 4: 40}
    with pytest.raises(ArtifactWithdrawnError, match=r"checkpointing\.keep_top_k"):
        tracking.manifest_tracker.resolve("nano3-rl-model:v1")
    assert tracking.manifest_tracker.resolve("nano3-rl-model:latest").version == 4


def test_what_an_earlier_job_recorded_is_withdrawn_too(kind, tracking, tmp_path):
    patch = patch_manifest_nemo_rl_checkpoint_logging()
    manager = manager_of(kind, tmp_path)
    finish(manager, working(manager, 10))
    manager.shutdown()
    patch.undo()
    again = {"run": {"output": "nano3-rl-model"}, "artifacts": tracking_settings(tmp_path)}
    with setup_artifact_tracking(again) as resumed:
        patch_manifest_nemo_rl_checkpoint_logging()
        manager = manager_of(kind, tmp_path, keep_top_k=1)
        finish(manager, working(manager, 20))
        manager.shutdown()
        assert use(resumed) == {1: PRUNED, 2: 20}


def tracking_settings(folder):
    return {"manifest": {"root": str(folder / "store")}}


def test_a_version_that_an_alias_means_stays_and_that_is_told(kind, tracking, tmp_path, caplog):
    patch_manifest_nemo_rl_checkpoint_logging()
    manager = manager_of(kind, tmp_path, keep_top_k=1)
    finish(manager, working(manager, 10))
    manager.shutdown()
    tracking.manifest_tracker.set_alias("nano3-rl-model", 1, "best")
    finish(manager, working(manager, 20))
    manager.shutdown()
    assert use(tracking) == {1: 10, 2: 20}
    assert "The data of nano3-rl-model:v1 is gone" in caplog.text
    assert "best means it" in caplog.text


def test_without_manifests_a_deleted_checkpoint_is_only_told(kind, tmp_path, caplog):
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": None}}}):
        patch = patch_nemo_rl_checkpoint_logging()
        manager = manager_of(kind, tmp_path, keep_top_k=1)
        for step in (10, 20):
            finish(manager, working(manager, step))
        manager.shutdown()
    patch.undo()
    assert f"step_10 is gone, and no manifest says so: {PRUNED}" in caplog.text


def test_a_manifest_that_cannot_be_read_hides_no_other(kind, tracking, tmp_path, caplog):
    patch_manifest_nemo_rl_checkpoint_logging()
    manager = manager_of(kind, tmp_path)
    for step in (10, 20):
        finish(manager, working(manager, step))
        manager.shutdown()
    damaged = tmp_path / "store" / "nano3-rl-model" / "v1" / "manifest.json"
    text = damaged.read_text("utf-8")
    damaged.write_text("{", "utf-8")
    manager.keep_top_k = 1
    finish(manager, working(manager, 30))
    manager.shutdown()
    damaged.write_text(text, "utf-8")
    assert use(tracking) == {1: 10, 2: PRUNED, 3: 30}
    assert "Whether its data is gone is not known" in caplog.text


def test_a_store_that_fails_does_not_stop_the_deletion(kind, tracking, tmp_path, caplog):
    patch_manifest_nemo_rl_checkpoint_logging("other")
    manager = manager_of(kind, tmp_path, keep_top_k=1)
    finish(manager, working(manager, 10))
    manager.shutdown()
    folder = tmp_path / "store" / "other"
    shutil.rmtree(folder)
    folder.symlink_to(folder)
    finish(manager, working(manager, 20))
    manager.shutdown()
    assert [path.name for path in manager.checkpoint_dir.glob("step_*")] == ["step_20"]
    assert "step_10 is still in use" in caplog.text


def test_a_deletion_that_fails_stays_the_frameworks_error(
    kind, tracking, tmp_path, monkeypatch, nemo_rl_checkpoint
):
    patch_manifest_nemo_rl_checkpoint_logging()
    manager = manager_of(kind, tmp_path, keep_top_k=1)
    finish(manager, working(manager, 10))
    manager.shutdown()

    def refuse(path):
        raise PermissionError(path)

    monkeypatch.setattr(nemo_rl_checkpoint.shutil, "rmtree", refuse)
    place = working(manager, 20)
    with pytest.raises(PermissionError, match="step_10"):
        manager.finalize_checkpoint(place)
    assert use(tracking)[1] == 10


def test_a_step_that_is_saved_again_is_recorded_once(kind, tracking, tmp_path):
    patch_manifest_nemo_rl_checkpoint_logging()
    manager = manager_of(kind, tmp_path)
    for _ in range(2):
        finish(manager, working(manager, 10))
        manager.shutdown()
    assert use(tracking) == {1: 10}


def test_a_step_that_is_saved_again_after_it_was_deleted_is_a_new_version(kind, tracking, tmp_path):
    patch_manifest_nemo_rl_checkpoint_logging()
    manager = manager_of(kind, tmp_path, keep_top_k=1)
    for step in (10, 20):
        finish(manager, working(manager, step))
        manager.shutdown()
    manager.keep_top_k = 2
    finish(manager, working(manager, 10))
    manager.shutdown()
    assert use(tracking) == {1: PRUNED, 2: 20, 3: 10}


def test_undoing_takes_both_patches_off(kind):
    before = dict(vars(kind))
    patch_manifest_nemo_rl_checkpoint_logging().undo()
    assert dict(vars(kind)) == before


def test_a_version_that_deletes_otherwise_is_told(kind, tracking, monkeypatch, caplog):
    monkeypatch.delattr(kind, "remove_old_checkpoints")
    patch_manifest_nemo_rl_checkpoint_logging()
    assert "Versions of checkpoints that NeMo-RL deletes stay in use" in caplog.text


def test_a_manager_without_a_folder_costs_nothing(kind, tracking, tmp_path, caplog):
    patch_manifest_nemo_rl_checkpoint_logging()
    manager = manager_of(kind, tmp_path)
    del manager.checkpoint_dir
    manager.remove_old_checkpoints()
    assert "not known which checkpoints" in caplog.text


def test_a_tracker_that_fails_is_tried_again_with_the_next_save_of_the_step(
    kind, tracking, tmp_path, caplog
):
    patch_manifest_nemo_rl_checkpoint_logging("model")
    in_the_way = tmp_path / "store" / "model"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("a file where a folder should be", "utf-8")
    manager = manager_of(kind, tmp_path)
    finish(manager, working(manager, 10))
    manager.shutdown()
    assert "was not recorded" in caplog.text
    in_the_way.unlink()
    finish(manager, working(manager, 10))
    manager.shutdown()
    assert use(tracking, "model") == {1: 10}
