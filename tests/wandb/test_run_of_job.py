"""W&B alone: what a process without a run records belongs to the run of its job."""

from __future__ import annotations

import pytest
from wandb_server import picture
from wandb_server.fixtures import in_own_process
from wandb_server.jobs import START, Job

ALONE = START.replace('{"root": "store"}', '{"root": None}')

RUN = (
    ALONE
    + """
import subprocess
track()
run = HOW
run.config.update({"lr": 1})
run.log({"loss": 2.0})
note("started")
wait()
MEANWHILE
run.log({"loss": 1.0})
finish_run(exit_code=4)
"""
)
OURS = 'init_wandb_from_env(job_type="training")'
THEIRS = "(patch_wandb_init_for_lineage(), __import__('wandb').init())[1]"
CHILD = "subprocess.run([sys.executable, 'child.py'], check=True)"


def script(start=OURS, meanwhile=""):
    return RUN.replace("HOW", start).replace("MEANWHILE", meanwhile)


RECORDS = ALONE + '\ntrack()\nprint(record("model", 1, ModelArtifact).ref)\n'


def the_run(server):
    """The job's run, which has the model and is what its own process said."""
    seen = picture.take(server.state)
    assert list(seen.runs) == ["team/nemotron/job"]
    run = seen.runs["team/nemotron/job"]
    assert (run.state, run.exit_code, run.config) == ("failed", 4, {"lr": 1})
    assert run.history == ({"loss": 2.0}, {"loss": 1.0})
    return run


@pytest.mark.parametrize("start", [OURS, THEIRS], ids=["ours", "theirs"])
def test_another_rank_records_in_the_run_of_the_job(server, tmp_path, start):
    run_dir = tmp_path / "run"
    job = Job(script(start), run_dir, WANDB_RUN_ID="job")
    job.until("started")
    other = in_own_process(RECORDS, NEMOTRON_RUN_DIR=str(run_dir))
    assert other.stdout == "model:v0\n", other.stderr
    job.go_on()
    job.end()
    assert the_run(server).outputs == {"team/nemotron/model:v0"}


def test_a_child_records_in_the_run_of_the_job(server, tmp_path):
    (tmp_path / "child.py").write_text(RECORDS, "utf-8")
    job = Job(script(meanwhile=CHILD), tmp_path / "run", WANDB_RUN_ID="job")
    job.until("started")
    job.go_on()
    job.end()
    assert the_run(server).outputs == {"team/nemotron/model:v0"}


def test_a_run_that_is_over_gets_what_its_job_records_later(server, tmp_path):
    run_dir = tmp_path / "run"
    job = Job(script(), run_dir, WANDB_RUN_ID="job")
    job.until("started")
    job.go_on()
    job.end()
    later = in_own_process(RECORDS, NEMOTRON_RUN_DIR=str(run_dir))
    assert later.returncode == 0, later.stderr
    assert the_run(server).outputs == {"team/nemotron/model:v0"}


def test_another_job_has_a_run_of_its_own(server, tmp_path):
    job = Job(script(), tmp_path / "run", WANDB_RUN_ID="job")
    job.until("started")
    other = in_own_process(RECORDS, NEMOTRON_RUN_DIR=str(tmp_path / "another"))
    assert other.returncode == 0, other.stderr
    job.go_on()
    job.end()
    seen = picture.take(server.state)
    assert seen.runs["team/nemotron/job"].outputs == set()
    assert len(seen.runs) == 2
