from __future__ import annotations

import json
import logging
import threading

import pytest

from nemo_runspec.artifacts import setup_artifact_tracking
from nemo_runspec.patching import PatchError
from nemotron_kit_megatron import (
    patch_checkpoint_logging_both,
    patch_manifest_checkpoint_logging,
    patch_wandb_checkpoint_logging,
)

EVERY = (
    patch_manifest_checkpoint_logging,
    patch_wandb_checkpoint_logging,
    patch_checkpoint_logging_both,
)


def recorded(tracking, name="nano3-sft-model"):
    tracker = tracking.manifest_tracker
    return [tracker.read(name, version) for version in tracker.versions(name)]


def test_every_checkpoint_becomes_a_version(wandb_utils, tracking, checkpoint):
    patch_manifest_checkpoint_logging()
    for iteration in (20, 40):
        wandb_utils.on_save_checkpoint_success(*checkpoint(iteration), iteration, None)
    first, second = recorded(tracking)
    assert (first.type, first.kind) == ("ModelArtifact", "model")
    assert [first.fields["step"], second.fields["step"]] == [20, 40]
    assert first.fields["format"] == "megatron"
    assert first.path.endswith("/checkpoints")
    assert first.metadata["absolute_path"].endswith("/checkpoints/iter_0000020")
    assert first.metadata["framework"] == "megatron-bridge"
    assert len(wandb_utils.reported) == 2


def test_a_checkpoint_that_is_reported_twice_is_recorded_once(wandb_utils, tracking, checkpoint):
    patch_manifest_checkpoint_logging()
    saved = checkpoint(20)
    wandb_utils.on_save_checkpoint_success(*saved, 20, None)
    wandb_utils.on_save_checkpoint_success(*saved, 25, None)
    assert [manifest.fields["step"] for manifest in recorded(tracking)] == [20]


def test_keywords_work_as_well(wandb_utils, tracking, checkpoint):
    patch_manifest_checkpoint_logging()
    path, save_dir = checkpoint(20)
    wandb_utils.on_save_checkpoint_success(
        checkpoint_path=path, save_dir=save_dir, iteration=20, wandb_writer=None
    )
    assert len(recorded(tracking)) == 1


def test_another_name_is_taken(wandb_utils, tracking, checkpoint):
    patch_manifest_checkpoint_logging("my-model")
    wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, None)
    assert len(recorded(tracking, "my-model")) == 1


def test_the_host_path_of_a_container_is_recorded(wandb_utils, tracking, monkeypatch, tmp_path):
    host = tmp_path / "lustre"
    monkeypatch.setenv("NEMO_RUN_DIR", str(host))
    patch_manifest_checkpoint_logging()
    wandb_utils.on_save_checkpoint_success(
        "/nemo_run/pretrain/iter_0010000", "/nemo_run/pretrain", 10000, None
    )
    (manifest,) = recorded(tracking)
    assert manifest.path == str(host / "pretrain")
    assert manifest.metadata["absolute_path"] == str(host / "pretrain" / "iter_0010000")


def test_the_hook_keeps_the_tracking_it_was_applied_under(wandb_utils, tracking, checkpoint):
    patch_manifest_checkpoint_logging()
    elsewhere = {"artifacts": {"manifest": {"root": "memory://elsewhere"}}}
    with setup_artifact_tracking(elsewhere) as other:
        wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, None)
        assert recorded(other) == []
    assert len(recorded(tracking)) == 1


def test_what_the_job_resolved_is_the_input_of_its_checkpoints(
    wandb_utils, tracking, checkpoint, tmp_path
):
    raw = tmp_path / "raw"
    raw.mkdir()
    metadata = json.dumps({"path": str(raw), "type": "Artifact"})
    (raw / "metadata.json").write_text(metadata, "utf-8")
    patch_manifest_checkpoint_logging()
    tracking.resolve(str(raw))
    wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, None)
    (manifest,) = recorded(tracking)
    assert str(raw) in str(manifest.inputs)


def test_patching_again_keeps_the_first_and_undoing_restores(wandb_utils, tracking, checkpoint):
    original = wandb_utils.on_save_checkpoint_success
    patch = patch_manifest_checkpoint_logging()
    assert patch_manifest_checkpoint_logging() is patch
    patch.undo()
    assert wandb_utils.on_save_checkpoint_success is original
    wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, None)
    assert recorded(tracking) == []


def test_a_store_that_fails_never_reaches_training(wandb_utils, tmp_path, checkpoint, caplog):
    root = tmp_path / "root"
    with setup_artifact_tracking({"artifacts": {"manifest": {"root": str(root)}}}):
        patch_manifest_checkpoint_logging("model")
    root.mkdir(exist_ok=True)
    (root / "model").write_text("a file where a folder should be", "utf-8")
    with caplog.at_level(logging.ERROR):
        wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, None)
    assert "was not recorded" in caplog.text
    assert len(wandb_utils.reported) == 1


def test_threads_that_save_at_once_are_all_recorded(wandb_utils, tracking, checkpoint):
    patch_manifest_checkpoint_logging()
    saved = {iteration: checkpoint(iteration) for iteration in range(1, 9)}
    threads = [
        threading.Thread(
            target=wandb_utils.on_save_checkpoint_success, args=(*paths, iteration, None)
        )
        for iteration, paths in saved.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(manifest.fields["step"] for manifest in recorded(tracking)) == list(saved)


def test_without_megatron_patching_is_one_clear_error(tracking):
    with pytest.raises(PatchError, match=r"megatron\..* cannot be imported"):
        patch_manifest_checkpoint_logging()


@pytest.mark.parametrize("patch_logging", EVERY)
def test_every_function_records_in_the_tracking(wandb_utils, tracking, checkpoint, patch_logging):
    patch_logging()
    wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, None)
    assert [manifest.fields["step"] for manifest in recorded(tracking)] == [20]


@pytest.mark.parametrize("order", [EVERY, EVERY[::-1]], ids=["as listed", "backwards"])
def test_all_functions_together_make_one_record(wandb_utils, tracking, checkpoint, order):
    first, *later = [patch_logging() for patch_logging in order]
    assert all(patch is first for patch in later)
    wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, None)
    assert len(recorded(tracking)) == 1
    first.undo()
    wandb_utils.on_save_checkpoint_success(*checkpoint(40), 40, None)
    assert len(recorded(tracking)) == 1


def test_a_second_name_for_the_same_checkpoints_is_refused(wandb_utils, tracking, caplog):
    patch_checkpoint_logging_both("model")
    patch_wandb_checkpoint_logging("another")
    assert "are recorded already; not a second time as 'another'" in caplog.text


@pytest.mark.parametrize("patch_logging", EVERY[1:])
def test_a_backend_that_is_counted_on_and_off_is_told(wandb_utils, tracking, caplog, patch_logging):
    patch_logging()
    assert (
        "not recorded in the backend wandb, which is off: set artifacts.wandb=true" in caplog.text
    )


def test_a_hook_may_be_put_on_before_any_tracking_is_set_up(wandb_utils, checkpoint, tmp_path):
    patch_manifest_checkpoint_logging()
    root = str(tmp_path / "store")
    config = {"run": {"output": "model"}, "artifacts": {"manifest": {"root": root}}}
    with setup_artifact_tracking(config) as tracking:
        wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, None)
    wandb_utils.on_save_checkpoint_success(*checkpoint(40), 40, None)
    assert [manifest.fields["step"] for manifest in recorded(tracking, "model")] == [20, 40]


def test_without_wandb_the_frameworks_own_record_stays(wandb_utils, tracking, checkpoint):
    patch_manifest_checkpoint_logging()
    writer = object()
    wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, writer)
    assert wandb_utils.writers == [writer]
