"""Jobs that the `nemotron` command sends to a real Slurm: how they run, and how they end."""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from slurm_cluster import SlurmCluster
from slurm_cluster.daemons import wait_until
from slurm_cluster.fixtures import WITHOUT_ACCOUNTING
from slurm_commands import PROFILES, Workplace, make_workplace, write

TRAIN = ("demo", "train")


@pytest.fixture(params=PROFILES)
def workplace(request: pytest.FixtureRequest, cluster: SlurmCluster, tmp_path: Path) -> Workplace:
    """Somebody on the login node, and somebody who reaches it over ssh."""
    return make_workplace(tmp_path, cluster, request.param)


@pytest.fixture
def place(cluster: SlurmCluster, tmp_path: Path) -> Workplace:
    """Somebody who reaches the login node over ssh, for what does not depend on the way there."""
    return make_workplace(tmp_path, cluster, "far")


def test_an_attached_job_of_four_processes_tells_their_ranks_and_succeeds(
    workplace: Workplace,
) -> None:
    done = workplace.run(*TRAIN, "run.env.nodes=2", "run.env.ntasks_per_node=2")

    assert done.code == 0, done.out + done.err
    ranks = sorted(re.findall(r"RANK=(\d) WORLD_SIZE=(\d) LOCAL_RANK=(\d) MASTER_ADDR=(\S+) "
                              r"SLURMD_NODENAME=(\S+)", done.out))  # fmt: skip
    first, second = sorted({rank[4] for rank in ranks})
    master = ranks[0][3]
    assert ranks == [
        ("0", "4", "0", master, first),
        ("1", "4", "1", master, first),
        ("2", "4", "0", master, second),
        ("3", "4", "1", master, second),
    ]
    assert done.out.count("ends with 0") == 4


def test_a_failed_job_is_a_command_that_fails_with_its_code(workplace: Workplace) -> None:
    done = workplace.run(*TRAIN, "code=7")

    assert done.code == 7, done.out + done.err
    assert "ends with 7" in done.out
    assert "Step Failed" in done.out
    assert "│ Exit code: 7 " in done.out


def test_a_detached_job_is_followed_later(workplace: Workplace) -> None:
    gate = workplace.folder / "gate"
    job = workplace.submit(*TRAIN, f"wait_for={gate}")
    workplace.wait_for_output(job, "task None")
    assert workplace.status(job)["state"] == "running"
    assert workplace.cluster.show(job["scheduler_id"])["Partition"] == "batch"

    gate.touch()
    followed = workplace.nemotron("jobs", "logs", "-f", job["id"])
    assert followed.code == 0, followed.err
    assert "ends with 0" in followed.out
    (listed,) = workplace.nemotron("jobs", "ls", "--json").document
    assert listed["job"]["id"] == job["id"]
    assert (listed["status"]["state"], listed["status"]["exit_code"]) == ("succeeded", 0)


def test_a_cancelled_job_was_cancelled(workplace: Workplace) -> None:
    job = workplace.submit(*TRAIN, "wait_for=/never")
    workplace.wait_for_output(job, "task None")
    asked = workplace.nemotron("jobs", "cancel", job["id"])
    assert asked.code == 0, asked.err

    followed = workplace.nemotron("jobs", "logs", "-f", job["id"])
    assert followed.code == 130, followed.out + followed.err
    assert workplace.status(job)["state"] == "cancelled"
    assert workplace.cluster.wait_for(job["scheduler_id"]) == "CANCELLED"


def test_a_script_that_is_interrupted_leaves_its_job_alone(place: Workplace) -> None:
    gate = place.folder / "gate"
    command = place.start(*TRAIN, f"wait_for={gate}", "--run", place.profile)
    with command:
        place.wait_until_said(command, "task None")
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(60) == 130, place.said
    listed = place.nemotron("jobs", "status", "--json").document
    assert listed["status"]["state"] == "running"
    gate.touch()
    assert place.nemotron("jobs", "logs", "-f").code == 0


def test_a_job_that_is_out_of_time_says_so(place: Workplace) -> None:
    job = place.submit(*TRAIN, "wait_for=/never")
    place.wait_for_output(job, "task None")
    place.cluster.expire(job["scheduler_id"])

    followed = place.nemotron("jobs", "logs", "-f", job["id"])
    assert followed.code == 124, followed.out + followed.err
    assert place.status(job)["state"] == "timed_out"


@pytest.mark.parametrize(
    ("workplace", "way"), [("here", "preempted"), ("far", "requeued")], indirect=["workplace"]
)
def test_a_job_that_starts_again_reads_the_inputs_of_its_first_start(
    workplace: Workplace, way: str
) -> None:
    cluster, gate = workplace.cluster, workplace.folder / "gate"
    prep = ("demo", "data", "prep", "sft")
    assert workplace.nemotron(*prep, "output_dir=output/first").code == 0
    command = workplace.start(
        *TRAIN, "-c", "pinned", f"wait_for={gate}", "--run", workplace.profile
    )
    with command:
        workplace.wait_until_said(command, "attempt 0")
        job = workplace.nemotron("jobs", "status", "--json").document["job"]["scheduler_id"]
        assert workplace.nemotron(*prep, "output_dir=output/second").code == 0
        if way == "requeued":
            cluster.requeue(job)
        else:
            cluster.preempt(job)
        workplace.wait_until_said(command, "attempt 1")
        gate.touch()
        assert command.wait(60) == 0, workplace.said
    data = re.findall(r"data (\S+) attempt (\d)", workplace.said)
    assert [(Path(path).name, attempt) for path, attempt in data] == [
        ("first", "0"),
        ("first", "1"),
    ]


def test_each_task_of_an_array_runs_its_own_variant_and_is_told_by_itself(
    place: Workplace,
) -> None:
    variants = "variants:\n  '0': {code: 0, wait_for: null}\n  '1': {code: 5, wait_for: GATE}\n"
    chosen = "${variants.${oc.env:SLURM_ARRAY_TASK_ID,'0'}.KEY}"
    lines = "".join(f"{key}: {chosen.replace('KEY', key)}\n" for key in ("code", "wait_for"))
    gate = place.folder / "gate"
    config = place.folder / "recipes/demo/config/train/variants.yaml"
    write(config, f"{variants.replace('GATE', str(gate))}data: none\n{lines}")
    command = place.start(*TRAIN, "-c", "variants", "run.env.array=0-1", "--run", place.profile)
    with command:
        place.wait_until_said(command, "Task 0 succeeded.")
        gate.touch()
        assert command.wait(90) == 5, place.said
    pieces = re.split(r"^==> log-task_(\d)_0\.out <==\n", place.said, flags=re.MULTILINE)
    printed = {task: pieces[1::2].count(task) for task in "01"}
    assert min(printed.values()) > 0
    for task, text in zip(pieces[1::2], pieces[2::2], strict=True):
        assert set(re.findall(r"^task (\d)$", text, re.MULTILINE)) <= {task}
    assert "Task 1: It ended with exit code 5." in place.said
    shown = place.nemotron("jobs", "status", "--json").document
    ended = {name: (task["state"], task["exit_code"]) for name, task in
             shown["status"]["tasks"].items()}  # fmt: skip
    assert ended == {"0": ("succeeded", 0), "1": ("failed", 5)}
    assert (shown["status"]["state"], shown["status"]["exit_code"]) == ("failed", 5)
    # Each has a run directory of its own, where it finds what it pinned when it starts again.
    folders = sorted(Path(shown["job"]["job_dir"]).glob("task_*"))
    assert [folder.name for folder in folders] == ["task_0", "task_1"]


def test_a_job_in_a_container_gets_what_pyxis_needs(workplace: Workplace) -> None:
    workplace.cluster.add_image("nvcr.io/nvidia/nemo:25.07")
    image = "run.env.container_image=nvcr.io/nvidia/nemo:25.07"
    data = workplace.folder / "data"
    data.mkdir()
    (data / "given").touch()
    job = workplace.submit(*TRAIN, image, f"run.env.mounts=[{data}:/data]", "wait_for=/data/given")

    followed = workplace.nemotron("jobs", "logs", "-f", job["id"])
    assert followed.code == 0, followed.out + followed.err
    (container,) = workplace.cluster.containers(job["scheduler_id"])
    assert container["image"] == "nvcr.io/nvidia/nemo:25.07"
    assert container["workdir"] == "/nemo_run/code"
    assert f"{job['job_dir']}:/nemo_run" in str(container["mounts"]).split(",")
    assert f"{data}:/data" in str(container["mounts"]).split(",")


def test_an_image_that_is_missing_is_a_failed_job(place: Workplace) -> None:
    done = place.run(*TRAIN, "run.env.container_image=nvcr.io/nvidia/nothing:1")

    assert done.code != 0, done.out + done.err
    assert "pyxis: failed to import docker image: nvcr.io/nvidia/nothing:1" in done.out + done.err
    assert "│ Error:     The job ended before any of its processes was started. " in done.out
    assert "│ Hint:      What Slurm printed there says why: a container image that " in done.out


def test_a_dry_run_shows_the_script_that_slurm_gets(place: Workplace) -> None:
    options = ("--dry-run", "--json")
    shown = place.nemotron(*TRAIN, "--batch", place.profile, *options).document
    job = place.submit(*TRAIN)

    held = place.cluster.run("scontrol", "write", "batch_script", job["scheduler_id"], "-")
    stamp = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{6}")
    given, planned = (stamp.sub("STAMP", text).strip() for text in (held, shown["script"]))
    assert "#SBATCH --account=research" in given
    assert planned.startswith(given.rstrip("\0"))


@WITHOUT_ACCOUNTING
@pytest.mark.parametrize("code", [0, 5])
def test_without_accounting_the_end_is_known_too(
    cluster_without_accounting: SlurmCluster, tmp_path: Path, code: int
) -> None:
    workplace = make_workplace(tmp_path, cluster_without_accounting, "far")
    done = workplace.run(*TRAIN, f"code={code}", "~run.env.account")

    assert done.code == code, done.out + done.err


@pytest.fixture
def temporary() -> Iterator[Path]:
    """A folder for temporary files whose name is short enough for a socket in it."""
    with tempfile.TemporaryDirectory(prefix="tmp-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_killed_leaves_nothing_for_long(
    place: Workplace, temporary: Path, number: int
) -> None:
    # It lets nobody in, and goes with the command that started it.
    write(place.folder / "bin/ssh", "#!/bin/sh\nexec cat\n")
    (place.folder / "bin/ssh").chmod(0o755)
    path = f"{place.folder}/bin:{place.environment['PATH']}"
    environment = {**place.environment, "TMPDIR": str(temporary), "PATH": path}
    waiting = replace(place, environment=environment)
    runs = place.folder / ".nemotron/runs/demo-train"

    with waiting.start(*TRAIN, "--batch", "far") as command:
        came = wait_until(lambda: list(temporary.glob("nemotron-scratch-ssh-*")) != [], 120)
        prepared = list(runs.glob("*/.submission/owner-*.json"))
        command.send_signal(number)

    assert came, place.said
    assert len(prepared) == 1
    assert command.returncode == (143 if number == signal.SIGTERM else -signal.SIGKILL)
    if number == signal.SIGKILL:
        for folder in temporary.iterdir():
            os.utime(folder, (0, 0))
        assert waiting.nemotron(*TRAIN, "--batch", "far", "--dry-run").code == 0
    assert not list(runs.iterdir())
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("workplace", "override", "message"),
    [
        ("here", "run.env.run_partition=nowhere", "nowhere"),
        ("far", "run.env.account=nobody", "nobody"),
    ],
    indirect=["workplace"],
)
def test_what_slurm_refuses_is_an_error_that_names_it(
    workplace: Workplace, override: str, message: str
) -> None:
    done = workplace.run(*TRAIN, override)

    assert done.code == 1
    assert message in done.err
    assert "hint:" in done.err
