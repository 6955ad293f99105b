from __future__ import annotations

import logging
import shutil
import sys
from pathlib import PurePosixPath

import pytest

from nemo_runspec.artifacts import LoggedArtifact, backends, setup_artifact_tracking
from nemo_runspec.patching import PatchError
from nemotron_kit_megatron import (
    checkpoint_callbacks,
    patch_checkpoint_logging_both,
    patch_manifest_checkpoint_logging,
    training_hooks,
)

GENERATIONS = ("with the event", "without it")


def steps(tracking, name="nano3-sft-model"):
    tracker = tracking.manifest_tracker
    return [tracker.read(name, version).fields["step"] for version in tracker.versions(name)]


def nothing(_state):
    return None


@pytest.fixture(params=GENERATIONS)
def generation(request, bridge):
    if request.param == "without it":
        bridge.without_save_event()
    return bridge


@pytest.mark.parametrize("function", ["pretrain", "finetune"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["at once", "later"])
def test_every_checkpoint_is_recorded_once(generation, tracking, function, asynchronous):
    train = getattr(generation, function)
    hooks = training_hooks(train, tracking)
    train(generation.config(iterations=6, async_save=asynchronous), nothing, **hooks)
    assert steps(tracking) == [2, 4, 6]
    manifest = tracking.manifest_tracker.read("nano3-sft-model", 2)
    assert manifest.path == str(generation.save_dir)
    assert manifest.metadata == {
        "absolute_path": str(generation.save_dir / "iter_0000004"),
        "iteration": 4,
        "step": 4,
        "loss": None,
        "framework": "megatron-bridge",
        "format": "megatron",
    }


def test_the_host_path_of_a_container_is_recorded(generation, tracking, tmp_path, monkeypatch):
    monkeypatch.setattr("nemo_runspec.container_paths._RUN_MOUNT", PurePosixPath(tmp_path))
    monkeypatch.setenv("NEMO_RUN_DIR", "/lustre/jobs/7")
    hooks = training_hooks(generation.pretrain, tracking)
    generation.pretrain(generation.config(iterations=4, most_recent_k=1), nothing, **hooks)
    manifest = tracking.manifest_tracker.read("nano3-sft-model", 2)
    assert manifest.path == "/lustre/jobs/7/checkpoints"
    assert manifest.metadata["absolute_path"] == "/lustre/jobs/7/checkpoints/iter_0000004"
    assert tracking.manifest_tracker.withdrawal("nano3-sft-model", 1) is not None


def test_an_asynchronous_save_is_recorded_when_its_files_are_whole(generation, tracking):
    seen = []

    def look(state):
        seen.append((state.train_state.step, steps(tracking), len(state.pending)))

    hooks = training_hooks(generation.pretrain, tracking)
    generation.pretrain(generation.config(iterations=5, async_save=True), look, **hooks)
    # That of step 2 waits until the next one is scheduled; its own number is kept all the same.
    assert seen[3] == (4, [], 1)
    assert seen[4] == (5, [], 2)
    assert steps(tracking) == [2, 4]


def test_a_callback_and_every_patch_together_make_one_record(generation, tracking):
    patches = [patch_manifest_checkpoint_logging(), patch_checkpoint_logging_both()]
    callbacks = [*checkpoint_callbacks(tracking), *checkpoint_callbacks(tracking)]
    later = patch_manifest_checkpoint_logging()
    generation.pretrain(generation.config(), nothing, callbacks=callbacks)
    assert steps(tracking) == [2, 4]
    assert later is patches[0]


def test_a_checkpoint_that_is_saved_again_is_recorded_once(generation, tracking):
    hooks = training_hooks(generation.pretrain, tracking)
    generation.pretrain(generation.config(), nothing, **hooks)
    generation.pretrain(generation.config(iterations=2, start=2), nothing, **hooks)
    assert steps(tracking) == [2, 4]


def test_a_later_job_records_what_it_saves_again(generation, tracking, tmp_path):
    hooks = training_hooks(generation.pretrain, tracking)
    generation.pretrain(generation.config(), nothing, **hooks)
    again = {
        "run": {"output": "nano3-sft-model"},
        "artifacts": {"manifest": {"root": str(tmp_path / "store")}},
    }
    for callback in hooks["callbacks"]:
        callback.undo()
    with setup_artifact_tracking(again) as resumed:
        hooks = training_hooks(generation.pretrain, resumed)
        generation.pretrain(generation.config(iterations=2, start=2), nothing, **hooks)
        assert steps(resumed) == [2, 4, 4]


@pytest.mark.parametrize("kind", ["local", "global", "global, elsewhere"])
def test_checkpoints_for_a_restart_are_no_artifacts_and_that_is_said_once(
    generation, tracking, caplog, tmp_path, kind
):
    kind, _, elsewhere = kind.partition(", ")
    hooks = training_hooks(generation.pretrain, tracking)
    config = generation.config(
        iterations=7,
        restart_points=(1, 3, 5, 7),
        non_persistent_ckpt_type=kind,
        non_persistent_global_ckpt_dir=str(tmp_path / "fast") if elsewhere else None,
        non_persistent_save_interval=1,
    )
    generation.pretrain(config, nothing, **hooks)
    assert steps(tracking) == [2, 4, 6]
    told = caplog.text.count("kept for a restart only (checkpoint.non_persistent_ckpt_type)")
    # Before 0.5 nobody hears of those on local disks.
    assert told == (0 if kind == "local" and "on_checkpoint_save" not in events() else 1)
    assert "not recorded; training goes on" not in caplog.text


def events():
    return sys.modules["megatron.bridge.training.callbacks"].VALID_EVENTS


def test_what_an_earlier_job_saved_is_not_recorded_for_a_local_checkpoint(bridge, tracking):
    bridge.pretrain(bridge.config(), nothing)
    hooks = training_hooks(bridge.pretrain, tracking)
    config = bridge.config(
        iterations=1,
        start=4,
        restart_points=(5,),
        non_persistent_ckpt_type="local",
        non_persistent_save_interval=1,
    )
    bridge.pretrain(config, nothing, **hooks)
    assert steps(tracking) == []


def test_a_save_that_fails_is_not_recorded(generation, tracking):
    def full(state):
        state.full_disk = state.train_state.step >= 3

    hooks = training_hooks(generation.pretrain, tracking)
    with pytest.raises(OSError, match="No space left"):
        generation.pretrain(generation.config(), full, **hooks)
    assert steps(tracking) == [2]


def test_a_store_that_fails_costs_no_step_and_is_tried_again(generation, tracking, caplog):
    root = tracking.manifest_tracker.root
    hooks = training_hooks(generation.pretrain, tracking)
    in_the_way = generation.save_dir.parent / "store" / "nano3-sft-model"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("a file where a folder should be", "utf-8")
    with caplog.at_level(logging.ERROR):
        generation.pretrain(generation.config(), nothing, **hooks)
    assert caplog.text.count("was not recorded") == 2
    in_the_way.unlink()
    generation.pretrain(generation.config(iterations=2, start=2), nothing, **hooks)
    assert steps(tracking) == [4], root


def test_versions_of_checkpoints_that_the_framework_deletes_are_withdrawn(generation, tracking):
    hooks = training_hooks(generation.pretrain, tracking)
    generation.pretrain(generation.config(iterations=8, most_recent_k=2), nothing, **hooks)
    tracker = tracking.manifest_tracker
    withdrawn = [tracker.withdrawal("nano3-sft-model", version) for version in (1, 2, 3, 4)]
    assert [notice is not None for notice in withdrawn] == [True, True, False, False]
    assert "checkpoint.most_recent_k" in withdrawn[0].reason
    assert tracker.latest_version("nano3-sft-model") == 4


def test_a_save_directory_that_is_not_mounted_takes_no_version_away(generation, tracking):
    hooks = training_hooks(generation.pretrain, tracking)
    generation.pretrain(generation.config(), nothing, **hooks)
    shutil.move(generation.save_dir, generation.save_dir.with_name("elsewhere"))
    generation.pretrain(generation.config(iterations=1, start=4), nothing, **hooks)
    assert tracking.manifest_tracker.withdrawal("nano3-sft-model", 1) is None


def test_a_save_directory_without_iterations_is_told_and_training_goes_on(
    bridge, tracking, monkeypatch, caplog
):
    module = sys.modules["megatron.bridge.training.checkpointing"]
    monkeypatch.setattr(module, "write_tracker", lambda *_: None)
    monkeypatch.setattr(module, "write_config", lambda *_: None)
    hooks = training_hooks(bridge.pretrain, tracking)
    bridge.pretrain(bridge.config(iterations=2), nothing, **hooks)
    assert "has no latest_checkpointed_iteration.txt" in caplog.text
    assert steps(tracking) == []


def test_a_tracker_file_that_is_seen_late_costs_no_record(bridge, tracking, monkeypatch):
    """On a network file system the last rank may see for a while what was there before."""
    module = sys.modules["megatron.bridge.training.checkpointing"]
    write = module.write_tracker

    def seldom(save_dir, checkpoint, iteration):
        if iteration != 4:
            write(save_dir, checkpoint, iteration)

    monkeypatch.setattr(module, "write_tracker", seldom)
    hooks = training_hooks(bridge.pretrain, tracking)
    bridge.pretrain(bridge.config(iterations=6), nothing, **hooks)
    assert steps(tracking) == [2, 4, 6]


def test_ranks_that_are_no_numbers_cost_no_step(bridge, tracking, monkeypatch, caplog):
    hooks = training_hooks(bridge.pretrain, tracking)
    monkeypatch.setattr(sys.modules["megatron.bridge.training.checkpointing"], "get_rank_safe", int)
    monkeypatch.setattr(sys.modules["megatron.bridge.training.checkpointing"], "is_last_rank", int)
    monkeypatch.setenv("RANK", "first")
    monkeypatch.setenv("WORLD_SIZE", "1")
    bridge.pretrain(bridge.config(), nothing, **hooks)
    assert "RANK is 'first', which is no number" in caplog.text


@pytest.mark.parametrize("text", ["", "two", "²", "iter_0000002"])
def test_a_tracker_file_that_holds_something_else_is_told(
    bridge, tracking, monkeypatch, caplog, text
):
    module = sys.modules["megatron.bridge.training.checkpointing"]

    def write(save_dir, _checkpoint, _iteration):
        (save_dir / "latest_checkpointed_iteration.txt").write_text(text, "utf-8")

    monkeypatch.setattr(module, "write_tracker", write)
    bridge.pretrain(bridge.config(iterations=2), nothing, **training_hooks(bridge.pretrain))
    assert "which is no iteration" in caplog.text
    assert steps(tracking) == []


def test_hooks_may_be_put_on_before_any_tracking_is_set_up(generation, tmp_path):
    hooks = training_hooks(generation.pretrain)
    config = {
        "run": {"output": "model"},
        "artifacts": {"manifest": {"root": str(tmp_path / "store")}},
    }
    with setup_artifact_tracking(config) as later:
        generation.pretrain(generation.config(), nothing, **hooks)
        assert steps(later, "model") == [2, 4]
    for callback in hooks["callbacks"]:
        callback.undo()


def test_another_name_is_taken(generation, tracking):
    hooks = training_hooks(generation.finetune, tracking, name="my-model")
    generation.finetune(generation.config(), nothing, **hooks)
    assert steps(tracking, "my-model") == [2, 4]


def test_other_callbacks_work_beside(bridge, tracking):
    heard = []
    base = sys.modules["megatron.bridge.training.callbacks"].Callback

    class Own(base):
        def on_checkpoint_save(self, context):
            heard.append(context.state.train_state.step)

    bridge.pretrain(bridge.config(), nothing, callbacks=[Own(), *checkpoint_callbacks(tracking)])
    assert heard == steps(tracking) == [2, 4]


class Service:
    """A W&B backend that notes what it is told."""

    backend = "wandb"

    def __init__(self):
        self.told = []

    def log(self, artifact, *, name, lineage):  # noqa: ARG002 - as trackers have it
        self.told.append((name, artifact.step))
        return LoggedArtifact(name, 0)

    def resolve(self, reference):
        raise NotImplementedError

    def training_started(self, tracking):
        assert tracking.wandb
        self.told.append("start")


@pytest.fixture
def service(monkeypatch):
    service = Service()
    monkeypatch.setitem(backends._registered, "wandb", lambda: service)
    return service


@pytest.mark.parametrize("function", ["pretrain", "finetune"])
def test_wandb_hears_of_the_start_and_gets_each_checkpoint_once(
    generation, service, wandb_utils, function
):
    train = getattr(generation, function)
    config = generation.config()
    config.wandb_logger = object()
    with setup_artifact_tracking({"run": {"output": "m"}, "artifacts": {"wandb": True}}) as active:
        hooks = training_hooks(train, active)
        train(config, nothing, **hooks)
    assert set(service.told[:-2]) == {"start"}
    assert service.told[-2:] == [("m", 2), ("m", 4)]
    # The framework was called, and had no W&B to log an artifact of its own in.
    assert wandb_utils.writers == [None, None]


def test_undoing_takes_the_patches_off(generation, wandb_utils, service):
    original = wandb_utils.on_save_checkpoint_success
    with setup_artifact_tracking({"artifacts": {"wandb": True}}) as active:
        (callback,) = checkpoint_callbacks(active)
    assert wandb_utils.on_save_checkpoint_success is not original
    callback.undo()
    assert wandb_utils.on_save_checkpoint_success is original


def test_a_backend_that_fails_at_the_start_costs_nothing(bridge, service, caplog, monkeypatch):
    def refuse(_tracking):
        raise ConnectionResetError("the service is down")

    monkeypatch.setattr(service, "training_started", refuse)
    with setup_artifact_tracking({"run": {"output": "m"}, "artifacts": {"wandb": True}}) as active:
        bridge.pretrain(bridge.config(), nothing, callbacks=checkpoint_callbacks(active))
    assert "the service is down" in caplog.text
    assert service.told == [("m", 2), ("m", 4)]


def test_a_version_without_callbacks_is_patched(wandb_utils, tracking, checkpoint, monkeypatch):
    monkeypatch.setitem(sys.modules, "megatron.bridge.training.callbacks", None)
    assert checkpoint_callbacks(tracking) == []
    wandb_utils.on_save_checkpoint_success(*checkpoint(20), 20, None)
    assert steps(tracking) == [20]


def test_a_version_with_nothing_to_hook_in_is_one_clear_error(wandb_utils, tracking, monkeypatch):
    monkeypatch.setitem(sys.modules, "megatron.bridge.training.callbacks", None)
    monkeypatch.delattr(wandb_utils, "on_save_checkpoint_success")
    with pytest.raises(
        PatchError, match=r"wandb_utils has no on_save_checkpoint_success.* 0\.3 to"
    ):
        checkpoint_callbacks(tracking)


def test_without_megatron_it_is_one_clear_error(tracking):
    with pytest.raises(PatchError, match=r"megatron\.bridge cannot be imported"):
        checkpoint_callbacks(tracking)
