"""What a run logs while W&B is away, and stays away until the run has ended, is told afterwards."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest
from wandb_server import faults, picture
from wandb_server.jobs import START, Job, comparable

from nemotron_kit_wandb.backend import BACKEND

# Each row is sent as soon as it is logged, so that the server has a part of them.
PROMPT = {"WANDB__FILE_STREAM_TRANSMIT_INTERVAL": "0.05"}

LOGS = (
    START
    + """
import wandb
from nemotron_kit_wandb import add_run_tags
track()
run = init_wandb_from_env(job_type="training")
run.define_metric("best", summary="max", step_metric="epoch")
run.config.update({"lr": 1})
run.log({"loss": 4.0, "best": 7, "parts": {"a": 1, "b": 2}})
run.log({"loss": 3.0, "best": 9})
note("first")
wait()
add_run_tags(["late"])
record("model", 1, ModelArtifact)
run.config.update({"lr": 2, "seed": 7}, allow_val_change=True)
run.log({"loss": float("nan"), "best": 8, "page": wandb.Html("<p>here</p>", inject=False)})
for step in range(10, 300):
    run.log({"loss": 1 / step, "parts": {"a": step}}, step=step)
run.summary["own"] = {"inner": 5}
run.log({"loss": 0.5}, step=1000)
run.log({"more": 0.25}, step=1000)
note("second")
wait()
finish_run(exit_code=3)
"""
)


def job_of(script, folder, run_id="train", **environment):
    return Job(script, folder / ".nemotron/runs/train/one", WANDB_RUN_ID=run_id, **environment)


def rows(server, number, run_id="train"):
    def there():
        runs = [run for run in server.state.runs() if run.name == run_id]
        return len(runs) == 1 and len(runs[0].history) == number

    server.wait_until(there)


def disturbed(server, folder, script=LOGS, **environment):
    """A job whose server goes down when it has two rows, and does not come back."""
    job = job_of(script, folder, **PROMPT, **environment)
    job.until("first")
    rows(server, 2)
    server.down()
    job.go_on()
    job.until("second")
    job.go_on()
    job.end()
    return job


def synced(job):
    return [(item.what, item.problem) for item in BACKEND.deliver(job.run_dir)]


def run_on(server, run_id="train"):
    (run,) = [run for run in server.state.runs() if run.name == run_id]
    return run


def defined(run):
    """The definitions of metrics, whose order is another each time: name, step, and the rest."""
    metrics = run.raw_config["_wandb"]["value"]["m"]
    named = [{**item, "5": metrics[item["5"] - 1]["1"] if "5" in item else ""} for item in metrics]
    return sorted(named, key=lambda item: item["1"])


@pytest.fixture
def calm(server, tmp_path):
    """What the server is told of an undisturbed job; it has forgotten it."""
    job = job_of(LOGS, tmp_path)
    for word in ("first", "second"):
        job.until(word)
        job.go_on()
    job.end()
    seen, run = comparable(server), run_on(server)
    metrics = defined(run)
    server.state.projects.clear()
    server.state.blobs.clear()
    for name in (".nemotron", "store", "out", "wandb_dir"):
        shutil.rmtree(tmp_path / name)
    return seen, metrics, set(run.files)


def plain(seen):
    """Its runs, as text: no number that is none is equal to itself."""
    runs = {name: dataclasses.asdict(run) for name, run in seen.runs.items()}
    return json.dumps(runs, sort_keys=True, default=sorted)


def test_everything_is_told_as_if_nothing_had_happened(server, tmp_path, calm):
    seen, metrics, files = calm
    job = disturbed(server, tmp_path)
    assert len(run_on(server).history) == 2
    server.up()
    assert synced(job) == [("run train", None), ("model:v1", None)]
    run = run_on(server)
    assert steps(server) == [0, 1, 2, *range(10, 300), 1000]
    assert plain(comparable(server)) == plain(seen)
    (told,) = comparable(server).runs.values()
    assert (told.state, told.exit_code, told.tags) == ("failed", 3, ("late",))
    assert told.summary["best"] == {"max": 9}
    assert defined(run) == metrics
    page = next(name for name in files if name.startswith("media/html/page_2"))
    assert run.files[page] == b"<p>here</p>"
    assert synced(job) == []
    assert not list(job.run_dir.rglob("*.wandb"))


SHORT = (
    START
    + """
track()
run = init_wandb_from_env()
for _ in range(2):
    run.log({"loss": 1.0})
note("first")
wait()
for _ in range(3):
    run.log({"loss": 0.5})
note("second")
wait()
finish_run()
"""
)


def steps(server):
    return [row["_step"] for row in run_on(server).history]


def test_a_sync_that_is_interrupted_behind_the_rows_is_repeated_without_a_trace(server, tmp_path):
    """The client's own folder is gone with the node; the rows are in the run directory."""
    job = disturbed(server, tmp_path, SHORT)
    shutil.rmtree(tmp_path / "wandb_dir")
    server.up()
    hold = faults.Hold()

    def hold_when_taken(exchange):
        exchange.work()
        hold(exchange) if len(steps(server)) > 2 else exchange.answer()

    server.faults.plan(hold_when_taken, "file_stream", times=None)
    process = subprocess.Popen(
        [sys.executable, "-m", "nemotron", "artifacts", "sync", str(job.run_dir)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ,
    )
    assert hold.reached.wait(60)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=200)
    assert process.returncode == 130, said
    server.faults.heal()
    assert steps(server) == list(range(5))
    assert [item.state for item in BACKEND.pending(job.run_dir)] == ["pending"]
    assert synced(job) == [("run train", None)]
    assert steps(server) == list(range(5))
    assert picture.take(server.state).runs["team/nemotron/train"].state == "finished"


def test_a_run_that_was_resumed_keeps_the_rows_of_its_first_job(server, tmp_path):
    first = job_of(SHORT, tmp_path)
    for word in ("first", "second"):
        first.until(word)
        first.go_on()
    first.end()
    job = job_of(SHORT, tmp_path, WANDB_RESUME="must", **PROMPT)
    job.until("first")
    rows(server, 7)
    server.down()
    job.go_on()
    job.until("second")
    job.go_on()
    job.end()
    server.up()
    assert synced(job) == [("run train", None)]
    assert steps(server) == list(range(10))


def test_replies_that_say_nothing_of_the_rows(server, tmp_path, monkeypatch):
    """The client is content with any reply; what counts is what the server has."""
    job = disturbed(server, tmp_path, SHORT)
    server.up()
    monkeypatch.setattr("nemotron_kit_wandb.resuming._ARRIVES_S", 0)
    server.faults.plan(lambda exchange: exchange.reply(200, b"{}"), "file_stream", times=None)
    assert synced(job) == [
        (
            "run train",
            "W&B has the metrics of team/nemotron/train up to step 1 of 4. Sync again later.",
        )
    ]
    server.faults.heal()
    lost = [
        server.faults.plan(fault, "file_stream")
        for fault in (faults.drop_reply, faults.status(500), faults.cut_reply)
    ]
    assert synced(job) == [("run train", None)]
    assert [fault.happened for fault in lost] == [1, 1, 1]
    assert steps(server) == list(range(5))
