"""What commands that were killed left of their submissions, and what is still somebody's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from nemo_runspec.execution.jobs.marks import ProcessMark
from nemo_runspec.execution.submission.leftovers import claim, remove_leftovers


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
    mark.write(folder / ".submission" / "owner.json")
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
