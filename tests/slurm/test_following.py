"""Following a job of a real Slurm: what is told on the way, and what a lost connection costs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from slurm_cluster import SlurmCluster
from slurm_cluster.daemons import wait_until
from slurm_cluster.fixtures import WITHOUT_ACCOUNTING
from slurm_commands import Workplace, make_workplace, write

TRAIN = ("demo", "train")

_BROKEN = """
# /// script
# dependencies = ["nemo-runspec"]
# [tool.runspec]
# schema = "1"
# name = "demo/broken"
# docs = "Fail, and say why."
# [tool.runspec.run]
# packager = "self_contained"
# [tool.runspec.config]
# dir = "config/train"
# ///
from nemo_runspec.errors import DataError
from nemo_runspec.script import script_main


def main() -> None:
    raise DataError("Line 3 holds no JSON.", where="chat.jsonl:3", hint="Repair the line.")


if __name__ == "__main__":
    script_main(main)
"""


@pytest.fixture
def place(cluster: SlurmCluster, tmp_path: Path) -> Workplace:
    """Somebody who reaches the login node over ssh."""
    return make_workplace(tmp_path, cluster, "far")


@contextmanager
def following(place: Workplace, *words: str) -> Iterator[subprocess.Popen[str]]:
    command = place.start(*words)
    try:
        yield command
    finally:
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGKILL)
        command.wait()


def cut_connections(place: Workplace) -> int:
    """End every connection of a command to the login node; how many there were."""
    home = str(place.cluster.home).encode()
    cut = 0
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"ssh") and b"-M" in words and any(home in word for word in words):
            os.kill(int(file.parent.name), signal.SIGKILL)
            cut += 1
    return cut


def test_a_lost_connection_is_told_and_nothing_of_the_output_is_lost(place: Workplace) -> None:
    gate = place.folder / "gate"
    job = place.submit(*TRAIN, f"wait_for={gate}")
    with following(place, "jobs", "logs", "-f", job["id"]) as command:
        assert wait_until(lambda: "task None" in place.said, 90), place.said
        place.cluster.ssh.configure("PubkeyAuthentication no")
        assert wait_until(lambda: cut_connections(place) > 0, 30)
        gate.touch()
        place.cluster.wait_for(job["scheduler_id"])
        goes_on = "The job goes on; trying again until it answers."
        assert wait_until(lambda: goes_on in place.said, 60), place.said
        place.cluster.ssh.restore()
        assert command.wait(120) == 0, place.said
    assert place.said.count(goes_on) == 1
    assert "Connected again after " in place.said
    assert len(re.findall(r"^task None$", place.said, re.MULTILINE)) == 1
    assert len(re.findall(r"^ends with 0$", place.said, re.MULTILINE)) == 1
    assert "Step Complete" in place.said


def test_a_controller_that_is_away_is_told_and_waited_for(place: Workplace) -> None:
    gate = place.folder / "gate"
    job = place.submit(*TRAIN, f"wait_for={gate}")
    away = re.compile(
        r"^\[\S+\] The job's state is not known since \S+\. Slurm does not answer: its controller "
        r"was silent for 10 s\. Asking until it is\.$",
        re.MULTILINE,
    )
    with following(place, "jobs", "logs", "-f", job["id"]) as command:
        assert wait_until(lambda: "task None" in place.said, 90), place.said
        with place.cluster.without_controller():
            assert wait_until(lambda: away.search(place.said) is not None, 90), place.said
            (listed,) = place.nemotron("jobs", "ls", "--json").document
            assert (listed["job"]["id"], listed["status"]["state"]) == (job["id"], "unknown")
            gate.touch()
        assert command.wait(120) == 0, place.said
    assert len(away.findall(place.said)) == 1
    assert len(re.findall(r"The job's state is known again after \d+ s\.", place.said)) == 1
    assert "Step Complete" in place.said


def test_a_job_that_waits_says_why_and_one_that_never_starts_how_it_ended(
    place: Workplace,
) -> None:
    job = place.submit(*TRAIN, "run.env.additional_parameters.begin=now+1hour")
    with following(place, "jobs", "logs", "-f", job["id"]) as command:
        waits = "The job waits. Its time to begin has not come yet."
        assert wait_until(lambda: waits in place.said, 90), place.said
        place.cluster.run("scancel", job["scheduler_id"])
        assert command.wait(90) == 130, place.said
    assert "It was cancelled by root before it started." in place.said
    assert "Step Cancelled" in place.said
    listed = place.nemotron("jobs", "ls").out
    assert "cancelled" in listed


def test_the_recipes_own_error_comes_back_with_the_exit_code(place: Workplace) -> None:
    write(place.folder / "recipes/demo/broken.py", _BROKEN)
    done = place.nemotron("demo", "broken", "--run", "far", "--json")
    assert done.code == 1, done.out + done.err
    assert done.document["status"] == "failed"
    assert done.document["error"] == {
        "type": "ExecutionError",
        "what": "Line 3 holds no JSON.",
        "where": "chat.jsonl:3",
        "hint": "Repair the line.",
        "exit_code": 1,
    }
    assert done.document["reason"] == "It ended with exit code 1."


def test_a_machine_that_cannot_be_reached_does_not_hide_the_other_jobs(place: Workplace) -> None:
    far = place.submit(*TRAIN, "wait_for=/never")
    done = place.nemotron(*TRAIN, "--run", "here", "--json")
    assert done.code == 0, done.out + done.err
    place.cluster.ssh.configure("PubkeyAuthentication no")
    listed = place.nemotron("jobs", "ls", "--json")
    states = {entry["job"]["id"]: entry["status"] for entry in listed.document}
    assert listed.code == 0
    assert states[done.document["job"]["id"]]["state"] == "succeeded"
    assert states[far["id"]]["state"] == "unknown"
    assert states[far["id"]]["reason"].startswith("lab refuses the key: ")


@WITHOUT_ACCOUNTING
def test_a_job_that_slurm_forgot_left_its_exit_code(
    cluster_without_accounting: SlurmCluster, tmp_path: Path
) -> None:
    place = make_workplace(tmp_path, cluster_without_accounting, "here")
    job = place.submit(*TRAIN, "code=6", "~run.env.account")
    place.cluster.wait_for(job["scheduler_id"])
    record = place.folder / ".nemotron/runs" / job["id"] / "job.json"
    record.write_text(record.read_text().replace(f'"{job["scheduler_id"]}"', '"999999"'))
    status = place.status(job)
    assert (status["state"], status["exit_code"]) == ("failed", 6)
