"""Training jobs with the adapters' hooks, as the server gets to know them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import wandb
from hook_lab.mechanisms import MECHANISMS, frameworks, steps
from wandb_server import picture

from nemo_runspec.artifacts import Artifact, log_artifact, setup_artifact_tracking
from nemotron_kit_megatron import training_hooks
from nemotron_kit_wandb import finish_run, patch_wandb_init_for_lineage
from nemotron_kit_wandb.backend import BACKEND

DOUBLE = Path(__file__).parents[2] / "packages" / "nemotron-kit-megatron" / "tests" / "double"


@pytest.fixture(autouse=True)
def _in_a_job(server, own_world, monkeypatch):
    run_dir = own_world / "run"
    run_dir.mkdir()
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(run_dir))
    before = wandb.init
    yield
    patch_wandb_init_for_lineage([]).undo()
    assert wandb.init is before


@pytest.fixture(params=["with the event", "without it"])
def pretrain(request, monkeypatch):
    monkeypatch.syspath_prepend(str(DOUBLE))
    module = importlib.import_module("megatron.bridge.training.callbacks")
    if request.param == "without it":
        events = module.VALID_EVENTS - {"on_checkpoint_save"}
        monkeypatch.setattr(module, "VALID_EVENTS", events)
    train = importlib.import_module("megatron.bridge.training.pretrain").pretrain
    yield train
    for name in [name for name in sys.modules if name.partition(".")[0] == "megatron"]:
        del sys.modules[name]


def config_of(folder, **run):
    run["wandb"] = {"project": "nemotron", "entity": "team"}
    return {"run": run, "artifacts": {"wandb": True, "manifest": {"root": str(folder / "store")}}}


def framework_config(folder):
    checkpoint = SimpleNamespace(
        save=str(folder / "checkpoints"),
        save_interval=2,
        restart_points=(),
        non_persistent_global_ckpt_dir=None,
        most_recent_k=-1,
        async_save=True,
    )
    return SimpleNamespace(
        start=0,
        train=SimpleNamespace(train_iters=4),
        checkpoint=checkpoint,
        wandb_logger=wandb,
        barrier=lambda: None,
    )


def train(pretrain, folder):
    """A job that reads the data; the framework starts its run, as it does: late and by itself."""
    with setup_artifact_tracking(config_of(folder, data="data:latest", output="model")) as tracking:
        hooks = training_hooks(pretrain, tracking)
        run = wandb.init(project="nemotron", entity="team")
        pretrain(framework_config(folder), lambda _state: None, **hooks)
        wandb.finish()
        for callback in hooks["callbacks"]:
            callback.undo()
        return run, tracking


def prepare(folder):
    place = folder / "data"
    place.mkdir()
    with setup_artifact_tracking(config_of(folder)) as tracking:
        wandb.init(project="nemotron", entity="team")
        log_artifact(Artifact(path=place), tracking, name="data")
        finish_run()


def test_inputs_and_checkpoints_are_the_edges_of_the_frameworks_run(server, own_world, pretrain):
    prepare(own_world)
    run, tracking = train(pretrain, own_world)
    seen = picture.take(server.state).runs[f"team/nemotron/{run.id}"]
    assert seen.inputs == {"team/nemotron/data:v0"}
    # None of the framework's own, which would be named after the folder.
    assert seen.outputs == {"team/nemotron/model:v0", "team/nemotron/model:v1"}
    assert tracking.manifest_tracker.versions("model") == [1, 2]


@pytest.fixture
def job(mechanism, own_world):
    """A job whose hook is put on while W&B is up, as ``MECHANISMS`` of ``hook_lab`` start it."""
    with frameworks(), setup_artifact_tracking(config_of(own_world, output="model")) as tracking:
        patch_wandb_init_for_lineage([])
        wandb.init(project="nemotron", entity="team")
        started = MECHANISMS[mechanism](own_world / "checkpoints")
        yield started, tracking
        started.undo()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_w_and_b_that_falls_costs_no_checkpoint_by_any_mechanism(
    server, own_world, job, mechanism, caplog
):
    started, tracking = job
    started.save(20)
    server.down()
    started.save(40)
    wandb.finish()
    assert steps(tracking) == [20, 40]
    server.up()
    assert {item.problem for item in BACKEND.deliver(own_world / "run")} <= {None}
    artifacts = picture.take(server.state).artifacts
    assert {"team/nemotron/model:v0", "team/nemotron/model:v1"} <= set(artifacts)
    assert "failed; training goes on" not in caplog.text


def test_w_and_b_that_is_down_costs_no_checkpoint(server, own_world, pretrain):
    prepare(own_world)
    server.down()
    _, tracking = train(pretrain, own_world)
    recorded = [tracking.manifest_tracker.read("model", version) for version in (1, 2)]
    assert [manifest.fields["step"] for manifest in recorded] == [2, 4]
    assert [manifest.used_artifacts for manifest in recorded] == [["data:v1"]] * 2
    server.up()
    delivered = BACKEND.deliver(own_world / "run")
    assert {item.problem for item in delivered} == {None}
    artifacts = picture.take(server.state).artifacts
    assert {"team/nemotron/model:v0", "team/nemotron/model:v1"} <= set(artifacts)
