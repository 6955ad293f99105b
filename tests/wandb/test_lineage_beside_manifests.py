"""Beside manifests a run's inputs reach W&B without making anybody wait, or fail."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import wandb
from wandb_server import faults, picture
from wandb_server.fixtures import in_own_process

from nemo_runspec.artifacts import Artifact, log_artifact, setup_artifact_tracking
from nemotron_kit_wandb import finish_run, patch_wandb_init_for_lineage

RANK = """
import json, os, sys
import wandb
from nemo_runspec.artifacts import setup_artifact_tracking
from nemotron_kit_wandb import patch_wandb_init_for_lineage

tracking = setup_artifact_tracking(json.loads(os.environ["CONFIG"]))
patch_wandb_init_for_lineage(artifact_qualified_names=tracking.qualified_names, tags=["sft"])
if os.environ["RANK"] == "1":
    with wandb.init(project="nemotron", entity="team") as run:
        print(run.id)
"""


@pytest.fixture(autouse=True)
def _original_again():
    before = wandb.init
    yield
    patch_wandb_init_for_lineage([]).undo()
    assert wandb.init is before


def config_of(folder, *, both=True, **run):
    manifest = {"root": str(folder / "store") if both else None}
    run["wandb"] = {"project": "nemotron", "entity": "team"}
    return {"run": run, "artifacts": {"wandb": True, "manifest": manifest}}


def record_data(folder, *, both=True):
    """Data that both backends have, from a run that is over."""
    place = folder / "data"
    place.mkdir()
    with (
        setup_artifact_tracking(config_of(folder, both=both)) as tracking,
        wandb.init(project="nemotron", entity="team"),
    ):
        log_artifact(Artifact(path=place), tracking, name="data")
        finish_run()


@pytest.fixture
def job(server, own_world, monkeypatch):
    """A job that reads the data: its tracking, current."""
    run_dir = own_world / "run"
    run_dir.mkdir()
    record_data(own_world)
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(run_dir))
    with setup_artifact_tracking(config_of(own_world, data="data:latest")) as tracking:
        yield tracking


def start():
    return wandb.init(project="nemotron", entity="team")


def inputs_of(server, run):
    return picture.take(server.state).runs[f"team/nemotron/{run.id}"].inputs


def test_without_arguments_all_that_the_job_resolved_is_registered(server, job):
    patch_wandb_init_for_lineage()
    run = start()
    finish_run()
    assert job.qualified_names == ["team/nemotron/data:manifest-v1"]
    assert inputs_of(server, run) == {"team/nemotron/data:v0"}


def test_a_server_that_takes_its_time_is_not_waited_for(server, job):
    patch_wandb_init_for_lineage(job.qualified_names, tags=["sft"])
    hold = faults.Hold()
    server.faults.plan(hold, "UseArtifact")
    run = start()
    assert inputs_of(server, run) == frozenset()
    assert hold.reached.wait(60)
    hold.release()
    finish_run()
    assert inputs_of(server, run) == {"team/nemotron/data:v0"}
    assert picture.take(server.state).runs[f"team/nemotron/{run.id}"].tags == ("sft",)


def test_an_input_that_wandb_does_not_have_costs_nothing(server, job, caplog):
    patch_wandb_init_for_lineage(["team/nemotron/gone:manifest-v7"])
    run = start()
    finish_run()
    assert picture.take(server.state).runs[f"team/nemotron/{run.id}"].exit_code == 0
    assert "team/nemotron/gone:manifest-v7" in caplog.text


def test_a_server_that_is_down_lets_somebody_elses_run_start_offline(server, job, caplog):
    patch_wandb_init_for_lineage(job.qualified_names)
    server.down()
    run = start()
    assert run.offline
    assert "The W&B run is started offline" in caplog.text
    finish_run()
    records = Path("run", "wandb-outbox", "records").glob("*.json")
    waiting = [json.loads(file.read_text("utf-8")) for file in records]
    assert [(item["used"], item["run"]["id"]) for item in waiting] == [
        (["team/nemotron/data:manifest-v1"], run.id)
    ]


@pytest.mark.parametrize("both", [True, False], ids=["manifests and W&B", "W&B alone"])
def test_the_last_rank_registers_what_rank_0_resolved(server, own_world, both):
    record_data(own_world, both=both)
    config = json.dumps(config_of(own_world, both=both, data="data:latest"))
    job = {"CONFIG": config, "WORLD_SIZE": "2", "NEMOTRON_RUN_DIR": str(own_world / "run")}
    for rank in ("0", "1"):
        done = in_own_process(RANK, RANK=rank, **job)
        assert done.returncode == 0, done.stderr
    told = picture.take(server.state).runs[f"team/nemotron/{done.stdout.split()[-1]}"]
    assert (told.inputs, told.tags) == ({"team/nemotron/data:v0"}, ("sft",))
