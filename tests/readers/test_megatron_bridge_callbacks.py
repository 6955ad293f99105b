"""The callback of nemotron-kit-megatron in the callback manager that Megatron-Bridge really ships.

The training loop needs a GPU; what it calls when a save is whole, and in which order, is in the
contract snapshots, and is called here the same way.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import pytest

from nemo_runspec.artifacts import setup_artifact_tracking
from nemotron_kit_megatron import checkpoint_callbacks, patch_checkpoint_logging_both

ROOT = Path(__file__).parents[2]
RELEASE = ".".join(version("megatron-bridge").split(".")[:2])
SNAPSHOTS = {"0.3": "v0.3.1", "0.6": "v0.6.0"}


class Job:
    """What the training loop calls, with the real modules behind it."""

    def __init__(self, bridge_module, save_dir):
        self.callbacks = bridge_module("training.callbacks")
        self.wandb_utils = bridge_module("training.utils.wandb_utils")
        self.save_dir = save_dir
        checkpoint = SimpleNamespace(save=str(save_dir), non_persistent_save_interval=1)
        self.state = SimpleNamespace(
            cfg=SimpleNamespace(checkpoint=checkpoint),
            train_state=SimpleNamespace(step=0),
            wandb_logger=None,
        )

    def start(self, callbacks):
        self.manager = self.callbacks.normalize_callbacks(callbacks)
        self.fire("on_train_start")

    def fire(self, event):
        if self.callbacks.should_fire(self.manager, event):
            context = self.callbacks.CallbackContext(
                state=self.state, model=[], user_state=self.manager.user_state
            )
            self.manager.fire(event, context)

    def save(self, step, *, reported=None, local=False):
        self.state.train_state.step = reported or step
        if not local:
            path = self.save_dir / f"iter_{step:07d}"
            path.mkdir(parents=True, exist_ok=True)
            (path / "run_config.yaml").write_text("{}\n", "utf-8")
            (self.save_dir / "latest_checkpointed_iteration.txt").write_text(str(step), "utf-8")
            self.wandb_utils.on_save_checkpoint_success(
                str(path),
                str(self.save_dir),
                self.state.train_state.step,
                wandb_writer=self.state.wandb_logger,
            )
        self.fire("on_checkpoint_save")


@pytest.fixture
def job(bridge_module, tmp_path):
    return Job(bridge_module, tmp_path / "checkpoints")


@pytest.fixture
def tracking(tmp_path):
    config = {
        "run": {"output": "model"},
        "artifacts": {"manifest": {"root": str(tmp_path / "store")}},
    }
    with setup_artifact_tracking(config) as active:
        yield active


@pytest.fixture
def callbacks(job, tracking):
    made = checkpoint_callbacks(tracking)
    yield made
    for each in made:
        each.undo()


def steps(tracking):
    tracker = tracking.manifest_tracker
    return [tracker.read("model", version).fields["step"] for version in tracker.versions("model")]


def test_the_release_offers_what_its_snapshot_says(job):
    file = ROOT / "tests" / "contracts" / "megatron-bridge" / f"{SNAPSHOTS[RELEASE]}.json"
    contract = json.loads(file.read_text("utf-8"))["contract"]
    assert sorted(job.callbacks.VALID_EVENTS) == contract["events"]
    assert ("on_checkpoint_save" in job.callbacks.VALID_EVENTS) is (RELEASE == "0.6")


def test_every_checkpoint_is_recorded_once_by_its_directory(job, tracking, callbacks):
    job.start(callbacks)
    # An asynchronous save is finished when training is further on.
    for step, reported in ((20, 25), (40, 40), (40, 45)):
        job.save(step, reported=reported)
    job.fire("on_train_end")
    assert steps(tracking) == [20, 40]


def test_the_callback_is_one_of_the_frameworks_own(job, callbacks):
    assert all(isinstance(each, job.callbacks.Callback) for each in callbacks)
    manager = job.callbacks.normalize_callbacks(callbacks)
    wanted = {"on_train_start", "on_train_end", "on_checkpoint_save"} & job.callbacks.VALID_EVENTS
    assert {event for event in manager.events if manager.has_callbacks(event)} == wanted


def test_callbacks_and_patches_together_make_one_record(job, tracking, callbacks):
    patch = patch_checkpoint_logging_both(tracking=tracking)
    job.start([*callbacks, *checkpoint_callbacks(tracking)])
    job.save(20)
    patch.undo()
    assert steps(tracking) == [20]


def test_a_checkpoint_on_local_disks_is_no_artifact(job, tracking, callbacks, caplog):
    job.start(callbacks)
    job.save(20)
    for step in (21, 22):
        job.save(step, local=True)
    assert steps(tracking) == [20]
    told = caplog.text.count("kept for a restart only")
    assert told == (1 if "on_checkpoint_save" in job.callbacks.VALID_EVENTS else 0)


def test_a_store_that_fails_reaches_no_training_loop(job, tracking, callbacks, tmp_path, caplog):
    job.start(callbacks)
    (tmp_path / "store").mkdir(exist_ok=True)
    (tmp_path / "store" / "model").write_text("a file where a folder should be", "utf-8")
    job.save(20)
    assert "was not recorded" in caplog.text


def test_what_was_deleted_is_withdrawn(job, tracking, callbacks):
    job.start(callbacks)
    job.save(20)
    (job.save_dir / "iter_0000020" / "run_config.yaml").unlink()
    (job.save_dir / "iter_0000020").rmdir()
    job.save(40)
    tracker = tracking.manifest_tracker
    assert tracker.withdrawal("model", 1) is not None
    assert tracker.latest_version("model") == 2
