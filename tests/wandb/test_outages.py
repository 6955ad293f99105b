"""An outage of W&B costs a job no more than a moment, and W&B no record."""

from __future__ import annotations

import shutil

import pytest
from wandb_server import picture
from wandb_server.jobs import PREPARE, TRAIN, Job, comparable, differences

from nemotron_kit_wandb.backend import BACKEND


def chain(server, folder, *, before=None, between=None, at_end=None):
    """Prepare data, then train on it; what happens to the server at which point is given."""
    for step in (before,):
        if step:
            step()
    prepare = Job(PREPARE, folder / ".nemotron/runs/prep/one", WANDB_RUN_ID="prep")
    prepare.end()
    train = Job(TRAIN, folder / ".nemotron/runs/train/two", WANDB_RUN_ID="train")
    train.until("first")
    if between:
        between(train)
    train.go_on()
    train.until("second")
    if at_end:
        at_end(train)
    train.go_on()
    train.end()
    return prepare, train


def synced(*jobs):
    return [item for job in jobs for item in BACKEND.deliver(job.run_dir)]


@pytest.fixture
def calm(server, tmp_path):
    """The server's state after an undisturbed chain, taken before the test's own."""
    chain(server, tmp_path)
    seen = comparable(server)
    server.state.projects.clear()
    server.state.blobs.clear()
    for name in (".nemotron", "store", "out"):
        shutil.rmtree(tmp_path / name)
    return seen


def test_the_undisturbed_chain_is_whole_while_it_runs(server, tmp_path):
    def look(_job):
        server.wait_until(lambda: len(picture.take(server.state).artifacts) == 2)

    jobs = chain(server, tmp_path, between=look)
    seen = picture.take(server.state)
    assert seen.edges == {
        ("team/nemotron/prep", "team/nemotron/data:v0"),
        ("team/nemotron/data:v0", "team/nemotron/train"),
        ("team/nemotron/train", "team/nemotron/model:v0"),
        ("team/nemotron/train", "team/nemotron/model:v1"),
    }
    assert {run.state for run in seen.runs.values()} == {"finished"}
    assert synced(*jobs) == []
    states = [item.state for job in jobs for item in BACKEND.pending(job.run_dir)]
    assert states == ["delivered"] * 3


def test_down_from_the_start(server, tmp_path, calm):
    jobs = chain(server, tmp_path, before=server.down)
    assert picture.take(server.state).runs == {}
    server.up()
    told = synced(*jobs)
    assert [item.state for item in told] == ["delivered"] * 5, told
    assert differences(comparable(server), calm) == []
