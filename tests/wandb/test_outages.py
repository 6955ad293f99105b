"""An outage of W&B costs a job no more than a moment, and W&B no record."""

from __future__ import annotations

import shutil

import pytest
from wandb_server import faults, picture
from wandb_server.jobs import PREPARE, START, TRAIN, Job, comparable, differences

from nemotron_kit_wandb.backend import BACKEND


def prepare(folder):
    job = Job(PREPARE, folder / ".nemotron/runs/prep/one", WANDB_RUN_ID="prep")
    job.end()
    return job


def chain(folder, *, between=None, at_end=None):
    """Prepare data, then train on it; what happens on the way is given."""
    first = prepare(folder)
    train = Job(TRAIN, folder / ".nemotron/runs/train/two", WANDB_RUN_ID="train")
    train.until("first")
    if between:
        between()
    train.go_on()
    train.until("second")
    if at_end:
        at_end()
    train.go_on()
    train.end()
    return first, train


def synced(*jobs):
    return [item for job in jobs for item in BACKEND.deliver(job.run_dir)]


def states(*jobs):
    return [item.state for job in jobs for item in BACKEND.pending(job.run_dir)]


def known(run_dir):
    return {item.state for item in BACKEND.pending(run_dir)}


def waiting(job):
    return {item.what for item in BACKEND.pending(job.run_dir) if item.state == "pending"}


def arrived(server, number):
    def there():
        return len(picture.take(server.state).artifacts) == number

    server.wait_until(there)


@pytest.fixture
def calm(server, tmp_path):
    """The server's state after an undisturbed chain; the server has forgotten it."""
    chain(tmp_path)
    seen = comparable(server)
    assert len(seen.artifacts) == 3
    server.state.projects.clear()
    server.state.blobs.clear()
    for name in (".nemotron", "store", "out"):
        shutil.rmtree(tmp_path / name)
    return seen


def test_the_undisturbed_chain_is_whole_while_it_runs(server, tmp_path):
    jobs = chain(tmp_path, between=lambda: arrived(server, 2), at_end=lambda: arrived(server, 3))
    seen = picture.take(server.state)
    assert seen.edges == {
        ("team/nemotron/prep", "team/nemotron/data:v0"),
        ("team/nemotron/data:v0", "team/nemotron/train"),
        ("team/nemotron/train", "team/nemotron/model:v0"),
        ("team/nemotron/train", "team/nemotron/model:v1"),
    }
    assert {run.state for run in seen.runs.values()} == {"finished"}
    assert states(*jobs) == ["delivered"] * 3
    assert synced(*jobs) == []


def test_down_from_the_start_to_the_end(server, tmp_path, calm):
    server.down()
    jobs = chain(tmp_path)
    assert "is started offline" in jobs[1].errors
    assert f"nemotron artifacts sync {jobs[1].run_dir}" in jobs[1].errors
    assert picture.take(server.state).runs == {}
    assert states(*jobs) == ["pending"] * 5  # two runs, three versions
    server.up()
    told = synced(*jobs)
    assert [item.problem for item in told] == [None] * 5
    assert differences(comparable(server), calm) == []
    assert (synced(*jobs), states(*jobs)) == ([], ["delivered"] * 3)
    assert differences(comparable(server), calm) == []


def test_down_in_the_middle_and_back(server, tmp_path, calm):
    def come_back():
        server.up()
        server.wait_until(lambda: known(tmp_path / ".nemotron/runs/train/two") == {"delivered"})

    jobs = chain(tmp_path, between=server.down, at_end=come_back)
    assert states(*jobs) == ["delivered"] * 3
    assert differences(comparable(server), calm) == []


def test_down_from_the_middle_to_the_end(server, tmp_path, calm):
    def fall():
        arrived(server, 2)
        server.down()

    jobs = chain(tmp_path, between=fall)
    assert "did not hear the end of the run train" in jobs[1].errors
    assert {"run train", "model:v2"} <= waiting(jobs[1])
    server.up()
    assert {item.problem for item in synced(*jobs)} == {None}
    assert differences(comparable(server), calm) == []
    assert (synced(*jobs), states(*jobs)) == ([], ["delivered"] * 3)


def test_back_before_the_second_job(server, tmp_path, calm):
    """The data of the second job is on its way to W&B, which the second job need not know."""
    server.down()
    first = prepare(tmp_path)
    server.up()
    train = Job(TRAIN, tmp_path / ".nemotron/runs/train/two", WANDB_RUN_ID="train")
    train.until("first")
    train.go_on()
    train.until("second")
    train.go_on()
    train.end()
    assert states(train) == ["pending", "pending"]
    told = synced(train)
    assert [item.what for item in told] == ["run prep", "data:v1", "model:v1", "model:v2"]
    assert [item.state for item in told] == ["delivered"] * 4
    assert states(first, train) == ["delivered"] * 3
    assert differences(comparable(server), calm) == []


@pytest.mark.parametrize(
    "fault", [faults.status(503), faults.drop_request, faults.Hold()], ids=["503", "reset", "mute"]
)
def test_a_server_that_is_there_and_of_no_use_is_down(server, tmp_path, fault):
    server.faults.plan(fault, times=None)
    job = prepare(tmp_path)
    assert "is started offline" in job.errors
    server.faults.heal()
    assert [item.state for item in synced(job)] == ["delivered"] * 2


def test_a_server_that_falls_silent_while_the_run_starts_is_down(server, tmp_path):
    """It answers the first question, and nothing after it."""
    asked = server.faults.plan(lambda exchange: exchange.answer(), "Viewer")
    hold = faults.Hold()
    server.faults.plan(hold, times=None)
    job = prepare(tmp_path)
    assert asked.happened == 1
    assert "cannot be used now (it fell silent)" in job.errors
    server.faults.heal()
    assert [item.state for item in synced(job)] == ["delivered"] * 2


def test_a_key_that_the_server_refuses_costs_no_record(server, tmp_path):
    key = "b" * 40
    job = Job(PREPARE, tmp_path / "run", WANDB_RUN_ID="prep", WANDB_API_KEY=key)
    job.end()
    assert "is started offline" in job.errors
    assert key not in job.errors
    assert [item.state for item in synced(job)] == ["delivered"] * 2


OTHER_INIT = (
    START
    + """
import wandb
tracking = track()
run = wandb.init(project="nemotron", entity="team", id="theirs")
run.log({"loss": 2.0}, step=1)
run.log({"loss": 1.0}, step=5)
record("data", 1)
note("recorded")
wait()
sys.exit(3)
"""
)


def test_a_run_that_somebody_else_started_ends_in_time(server, tmp_path):
    """Nobody calls finish: the client's own hook would wait for the server without end."""
    job = Job(OTHER_INIT, tmp_path / "run")
    job.until("recorded")
    arrived(server, 1)
    server.down()
    job.go_on()
    job.end(code=3)
    server.up()
    assert {item.state for item in synced(job)} == {"delivered"}
    run = picture.take(server.state).runs["team/nemotron/theirs"]
    assert (run.state, run.exit_code, run.outputs) == ("failed", 3, {"team/nemotron/data:v0"})
    assert (run.history, run.summary) == (({"loss": 2}, {"loss": 1}), {"loss": 1})


def test_a_run_that_somebody_else_started_gets_what_was_recorded_last(server, tmp_path):
    job = Job(OTHER_INIT, tmp_path / "run")
    job.until("recorded")
    job.go_on()
    job.end(code=3)
    assert states(job) == ["delivered"]
    run = picture.take(server.state).runs["team/nemotron/theirs"]
    assert (run.exit_code, run.outputs) == (3, {"team/nemotron/data:v0"})


TWO_PROCESSES = (
    START
    + """
import subprocess
track()
run = init_wandb_from_env(job_type="training")
subprocess.run([sys.executable, "worker.py"], check=True)
note("recorded")
wait()
finish_run()
"""
)
WORKER = START + '\ntrack()\nrecord("model", 1)\n'


def test_a_record_of_a_process_without_a_run_belongs_to_the_jobs(server, tmp_path):
    (tmp_path / "worker.py").write_text(WORKER, "utf-8")
    job = Job(TWO_PROCESSES, tmp_path / "run", WANDB_RUN_ID="job")
    job.until("recorded")
    arrived(server, 1)
    job.go_on()
    job.end()
    assert picture.take(server.state).runs["team/nemotron/job"].outputs == {
        "team/nemotron/model:v0"
    }


NO_RUN = (
    START
    + """
track()
record("data", 1)
"""
)


def test_without_any_run_sync_makes_one(server, tmp_path):
    job = Job(NO_RUN, tmp_path / "run")
    job.end()
    assert states(job) == ["pending"]
    assert [item.state for item in synced(job)] == ["delivered"]
    seen = picture.take(server.state)
    (run,) = seen.runs.values()
    assert (run.state, run.outputs) == ("finished", {"team/nemotron/data:v0"})


ASKS = (
    START
    + """
from nemo_runspec.errors import ArtifactNotFoundError
tracking = track()
for _ in range(5):
    try:
        tracking.resolve("elsewhere:latest")
    except ArtifactNotFoundError as error:
        note(f"{error}")
"""
)


def test_names_that_only_w_and_b_could_know_are_not_asked_for_again_and_again(server, tmp_path):
    asked = server.faults.plan(faults.status(503), times=None)
    job = Job(ASKS, tmp_path / "run")
    said, _ = job.output()
    assert said.count("does not answer") == 5
    assert asked.happened == 2
