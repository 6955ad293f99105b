"""``nemotron artifacts sync``: what waits is delivered, once, in order, or says why it is not."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from wandb_server import faults, picture
from wandb_server.jobs import PREPARE, START, TRAIN, Job

from nemo_runspec.artifacts import Artifact, Lineage
from nemo_runspec.manifest_tracker import ManifestTracker
from nemotron.cli.main import main
from nemotron_kit_wandb.destination import Destination
from nemotron_kit_wandb.outbox import KnownRun, Outbox
from nemotron_kit_wandb.recording import make_manifest_record
from nemotron_kit_wandb.records import RunIdentity

RUNS = Path(".nemotron", "runs")
PLACE = Destination("nemotron", "team")


def recorded(folder, name="data", *, used=(), run=None, run_dir=RUNS / "prep" / "one"):
    """A version in the manifest store, and its record in the outbox of a run directory."""
    place = folder / "out" / name
    place.mkdir(parents=True, exist_ok=True)
    made = Artifact(path=place)
    lineage = Lineage(used_artifacts=list(used))
    tracker = ManifestTracker(folder / "store")
    logged = tracker.log(made, name=name, lineage=lineage)
    known = made.model_copy(update={"name": name, "version": logged.version})
    identity = None if run is None else RunIdentity(run, "nemotron", "team")
    record = make_manifest_record(
        known, name=name, lineage=lineage, destination=PLACE, run=identity
    )
    outbox = Outbox(folder / run_dir)
    outbox.note_store(str(folder / "store"))
    return outbox.put(record)


@pytest.fixture
def sync(capfd):
    """Run the command in this process; give its exit code and what it printed."""

    def run(*words):
        capfd.readouterr()
        code = main(["artifacts", "sync", *words])
        out, err = capfd.readouterr()
        return code, out, err

    return run


def document(sync, *words):
    code, out, _ = sync("--json", *words)
    return code, json.loads(out)


def versions(server):
    return sorted(picture.take(server.state).artifacts)


def command(*words):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "nemotron", "artifacts", "sync", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ,
    )


def test_every_run_is_looked_at_and_delivered_in_order(server, own_world, sync):
    recorded(own_world, "data")
    recorded(own_world, "model", used=["data:v1"], run_dir=RUNS / "train" / "two", run="train")
    recorded(own_world, "model", used=["data:v1"], run_dir=RUNS / "train" / "two", run="train")
    code, out, _ = sync("--dry-run")
    assert (code, server.served) == (0, [])
    assert "Waiting for W&B (3)" in out
    assert "Nothing was delivered." in out
    code, said = document(sync)
    assert (code, said["delivered"], said["pending"]) == (0, 3, 0)
    assert [item["what"] for item in said["records"]] == ["data:v1", "model:v1", "model:v2"]
    assert [item["where"].rpartition("/")[2] for item in said["records"]] == ["v0", "v0", "v1"]
    seen = picture.take(server.state)
    assert seen.runs["team/nemotron/train"].inputs == {"team/nemotron/data:v0"}
    assert seen.runs["team/nemotron/train"].outputs == {
        "team/nemotron/model:v0",
        "team/nemotron/model:v1",
    }
    assert sync() == (0, "Nothing waits for W&B.\n", "")
    assert picture.take(server.state) == seen


def test_a_delivery_that_was_not_noted_is_made_again_without_a_trace(server, own_world, sync):
    file = recorded(own_world)
    content = file.read_bytes()
    assert sync("--quiet")[:2] == (0, "")
    seen = picture.take(server.state)
    file.write_bytes(content)
    assert sync("--quiet")[:2] == (0, "")
    assert picture.take(server.state) == seen
    assert not file.exists()


def test_a_server_that_is_down_is_one_sentence(server, own_world, sync):
    file = recorded(own_world)
    server.down()
    code, _, err = sync()
    assert code == 1
    assert f"W&B at {server.url} does not answer; nothing was delivered" in err
    assert file.exists()


def test_a_missing_key_is_one_sentence(server, own_world, sync, monkeypatch):
    recorded(own_world)
    monkeypatch.delenv("WANDB_API_KEY")
    code, _, err = sync()
    assert code == 2
    assert "No W&B API key was found" in err


def test_a_damaged_record_is_named_and_the_others_are_delivered(server, own_world, sync):
    damaged = recorded(own_world)
    damaged.write_bytes(damaged.read_bytes()[:40])
    recorded(own_world, "other")
    code, said = document(sync)
    assert (code, said["delivered"], said["pending"]) == (1, 1, 1)
    problem = next(item for item in said["records"] if item["state"] == "pending")
    assert problem["what"] == damaged.name
    assert "The record cannot be read" in problem["problem"]
    assert versions(server) == ["team/nemotron/other:v0"]
    assert sync("--quiet")[:2] == (1, f"{damaged.name}\n")


def test_a_record_whose_file_is_gone_says_so(server, own_world, sync):
    file = recorded(own_world)
    lost = own_world / "notes.txt"
    record = json.loads(file.read_bytes())
    record["artifact"]["files"] = [[str(lost), "notes.txt"]]
    file.write_text(json.dumps(record))
    code, said = document(sync)
    assert (code, said["pending"]) == (1, 1)
    assert "A file for W&B cannot be read" in said["records"][0]["problem"]
    lost.write_text("found again")
    assert document(sync)[0] == 0


def test_what_was_used_is_rebuilt_from_its_manifest(server, own_world, sync):
    shutil.rmtree(recorded(own_world, "data").parents[1])
    recorded(own_world, "model", used=["data:v1"], run_dir=RUNS / "train" / "two", run="train")
    code, said = document(sync)
    assert (code, [item["what"] for item in said["records"]]) == (0, ["data:v1", "model:v1"])
    inputs = picture.take(server.state).runs["team/nemotron/train"].inputs
    assert inputs == {"team/nemotron/data:v0"}


def test_what_was_used_and_is_nowhere_keeps_its_record_waiting(server, own_world, sync):
    shutil.rmtree(recorded(own_world, "data").parents[1])
    recorded(own_world, "model", used=["data:v1"])
    shutil.rmtree(own_world / "store" / "data")
    code, said = document(sync)
    assert (code, said["pending"]) == (1, 1)
    assert said["records"][0]["problem"].startswith("W&B does not have data:v1, and neither a")
    assert versions(server) == []


def test_a_lost_record_is_rebuilt_by_its_reference(server, own_world, sync):
    (own_world / "env.toml").write_text('[wandb]\nproject = "nemotron"\nentity = "team"\n')
    shutil.rmtree(recorded(own_world, "data").parents[1])
    shutil.rmtree(recorded(own_world, "model", used=["data:v1"]).parents[1])
    assert document(sync, "model", "--root", "store", "--dry-run")[1]["pending"] == 1
    code, said = document(sync, "model:latest", "--root", "store")
    assert (code, [item["what"] for item in said["records"]]) == (0, ["data:v1", "model:v1"])
    seen = picture.take(server.state)
    assert len(seen.edges) == 3
    assert document(sync, "model:latest", "--root", "store")[0] == 0
    assert picture.take(server.state) == seen


def test_a_reference_needs_a_project(server, own_world, sync):
    recorded(own_world)
    code, _, err = sync("data:v1", "--root", "store")
    assert code == 1
    assert "No W&B project is named to deliver to." in err


@pytest.mark.parametrize(
    ("word", "message"),
    [("runs/none", "There is no run directory"), ("nothing:v1", "No artifact is named 'nothing'")],
)
def test_a_word_that_means_nothing(server, own_world, sync, word, message):
    recorded(own_world)
    code, _, err = sync(word, "--root", "store")
    assert code != 0
    assert message in err


def test_two_at_once_deliver_once(server, own_world):
    for _ in range(3):
        recorded(own_world, run="job")
    both = [command("--json") for _ in range(2)]
    said = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sorted(item["delivered"] for item in said) == [0, 3]
    assert versions(server) == [f"team/nemotron/data:v{number}" for number in range(3)]


def test_an_interrupted_sync_is_repeated(server, own_world, sync):
    recorded(own_world, run="job")
    hold = faults.Hold()
    server.faults.plan(hold, "CommitArtifact")
    process = command()
    assert hold.reached.wait(60)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 130, said
    server.faults.heal()
    assert document(sync)[0] == 0
    assert versions(server) == ["team/nemotron/data:v0"]


@pytest.mark.parametrize("fault", [faults.cut_reply, faults.drop_reply, faults.status(500)])
def test_a_reply_that_is_lost_doubles_nothing(server, own_world, sync, fault):
    recorded(own_world, run="job")
    server.faults.plan(fault, "CommitArtifact")
    assert document(sync)[0] == 0
    assert versions(server) == ["team/nemotron/data:v0"]


def test_a_server_that_falls_silent_is_not_waited_for(server, own_world, sync):
    file = recorded(own_world, run="job")
    hold = faults.Hold()
    server.faults.plan(
        lambda exchange: (server.faults.plan(hold, times=None), hold(exchange)), "CreateArtifact"
    )
    code, said = document(sync)
    assert (code, said["pending"]) == (1, 1)
    assert "fell silent" in said["records"][0]["problem"]
    assert file.exists()
    server.faults.heal()
    assert document(sync)[0] == 0


def test_a_killed_job_leaves_its_records_and_a_run_that_failed(server, own_world, sync):
    """The client's own files of a killed offline run hold next to nothing."""
    server.down()
    job = Job(
        TRAIN.replace('data="data:latest"', ""), own_world / RUNS / "t" / "x", WANDB_RUN_ID="t"
    )
    job.until("first")
    server.up()
    code, said = document(sync)
    assert (code, said["pending"]) == (1, 2)
    assert said["records"][0]["problem"].startswith("Its process still runs")
    assert "is not in W&B yet" in said["records"][1]["problem"]
    job.kill()
    assert document(sync)[0] == 0
    run = picture.take(server.state).runs["team/nemotron/t"]
    assert (run.state, run.job_type) == ("failed", "training")
    assert run.outputs == {"team/nemotron/model:v0"}


def test_a_job_that_is_killed_in_the_middle_of_a_delivery(server, own_world, sync):
    hold = faults.Hold()
    server.faults.plan(hold, "CommitArtifact")
    job = Job(PREPARE, own_world / RUNS / "prep" / "one", WANDB_RUN_ID="prep")
    assert hold.reached.wait(60)
    job.kill()
    server.faults.heal()
    assert document(sync)[0] == 0
    assert versions(server) == ["team/nemotron/data:v0"]
    assert picture.take(server.state).runs["team/nemotron/prep"].outputs == {
        "team/nemotron/data:v0"
    }


def test_an_end_whose_log_is_gone_is_told_without_its_metrics(server, own_world, sync, caplog):
    how = {"exit_code": 3, "summary": {"loss": 1.0}, "config": {"lr": 2}, "tags": ["late"]}
    identity = RunIdentity("t", "nemotron", "team")
    Outbox(own_world / RUNS / "t" / "x").note_run(KnownRun(identity, "/gone/run-t", cut_off=how))
    code, said = document(sync)
    assert (code, [item["what"] for item in said["records"]]) == (0, ["run t"])
    assert "log of the W&B run t is gone, and its last metrics with it: /gone" in caplog.text
    run = picture.take(server.state).runs["team/nemotron/t"]
    assert (run.state, run.exit_code, run.tags) == ("failed", 3, ("late",))
    assert (run.summary, run.config, run.history) == ({"loss": 1}, {"lr": 2}, ())


WAITS = (
    START
    + """
track()
run = init_wandb_from_env()
note("started")
wait()
record("data", 1)
note("recorded")
wait()
finish_run()
"""
)


def test_a_run_that_goes_on_is_left_as_it_is(server, own_world, sync):
    """The job's own thread and the command may deliver the same record: it is one version."""
    job = Job(WAITS, own_world / RUNS / "prep" / "one", WANDB_RUN_ID="prep")
    job.until("started")
    job.go_on()
    job.until("recorded")
    assert sync("--quiet")[0] == 0
    job.go_on()
    job.end()
    run = picture.take(server.state).runs["team/nemotron/prep"]
    assert (run.state, run.outputs) == ("finished", {"team/nemotron/data:v0"})
    assert versions(server) == ["team/nemotron/data:v0"]


def test_a_full_disk_costs_the_record_and_not_the_job(server, own_world, sync):
    """Where the outbox cannot be written the record goes to W&B all the same, while it is there."""
    run_dir = own_world / "run"
    run_dir.mkdir()
    (run_dir / "wandb-outbox").write_text("no folder")
    job = Job(PREPARE, run_dir, WANDB_RUN_ID="prep")
    job.end()
    assert "data:v1 is not kept for W&B" in job.errors
    assert "nemotron artifacts sync data:v1" in job.errors
    assert versions(server) == ["team/nemotron/data:v0"]
