"""What commands that were killed left of their submissions, and what is still somebody's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.jobs import JobRecord, read_record
from nemo_runspec.execution.marks import ProcessMark, claim
from nemo_runspec.execution.submission.announcing import announce, find_announced
from nemo_runspec.execution.submission.leftovers import remove_leftovers


def run_dir(cwd: Path, name: str, *files: str) -> Path:
    folder = cwd / ".nemotron/runs/demo-train" / name
    claim(folder / ".submission")
    (folder / ".submission" / "main.py").write_text("x")
    for file in files:
        (folder / file).write_text("x")
    return folder


def of_a_dead_process(folder: Path) -> Path:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        mark = ProcessMark.of(process.pid)
    (own,) = (folder / ".submission").glob("owner-*.json")
    mark.write(own)
    return folder


def test_only_what_nobody_can_need_is_removed(tmp_path: Path) -> None:
    prepared = of_a_dead_process(run_dir(tmp_path, "prepared", "job.yaml", "train.yaml"))
    submitted = of_a_dead_process(run_dir(tmp_path, "submitted", "job.yaml", "job.json"))
    alive = run_dir(tmp_path, "alive", "job.yaml")
    chain = tmp_path / ".nemotron/pipes/demo/one"
    claim(chain / ".submission")
    of_a_dead_process(chain)
    (chain / "pipe.json").write_text("{}")

    remove_leftovers(tmp_path)

    assert not prepared.exists()
    assert {item.name for item in submitted.iterdir()} == {"job.yaml", "job.json"}
    assert (alive / ".submission/main.py").exists()
    assert [item.name for item in chain.iterdir()] == ["pipe.json"]
    remove_leftovers(tmp_path / "nothing")


def announced(folder: Path) -> JobRecord:
    """A job that was about to be started in a container as its command was killed."""
    record = JobRecord(
        id=f"demo-train/{folder.name}",
        recipe="demo/train",
        output="demo-train-model",
        run_dir=folder,
        profile="box",
        executor="docker",
        mode="batch",
        submitted_at="2026-11-21T10:00:00+00:00",
        job_dir=str(folder / "nemo_run"),
        log_pattern=f"{folder}/nemo_run/log_*.out",
    )
    announce(record)
    return record


def test_a_job_that_was_started_as_its_command_was_killed_is_written_down(tmp_path: Path) -> None:
    folder = run_dir(tmp_path, "one", "job.yaml", "train.yaml")
    announced(folder)
    (folder / ".submission/handle").write_text("docker://nemo_run/demo")
    with pytest.raises(ExecutionError, match="is being started on docker right now"):
        find_announced(folder)

    of_a_dead_process(folder)
    remove_leftovers(tmp_path)

    assert read_record(folder).scheduler_id == "docker://nemo_run/demo"
    assert {item.name for item in folder.iterdir()} == {"job.yaml", "train.yaml", "job.json"}


def test_a_job_of_which_nobody_knows_whether_it_was_started_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = of_a_dead_process(run_dir(tmp_path, "one", "job.yaml", "train.yaml"))
    announced(folder)
    for _ in range(2):
        remove_leftovers(tmp_path)

    (told,) = caplog.messages
    assert told.startswith(f"Whether the job of {folder} was started is not known")
    assert folder.exists()
