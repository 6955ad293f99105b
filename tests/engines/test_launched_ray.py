"""The launch script's Ray: a cluster of its own over a Slurm step, or one that runs already."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from preparing import QUIET, Cluster, until

from nemo_runspec.execution.launching import LaunchRequest, render_launch_script

STORE = f"--object-store-memory={80 << 20}"
VALUES = {
    "lower": "a b",
    "QUOTES": 'it\'s "so"',
    "DOLLAR": "$HOME $lower $$ ${lower}",
    "LINES": "one\ntwo\n",
    "UNICODE": "üñ→😀",
    "BACKSLASH": "a\\nb\\",
    "EMPTY": "",
}
SECRETS = {"HF_TOKEN": "hf_$x'y", "WANDB_API_KEY": "k" * 40}
DRIVER = """
import json, os, sys, time
import ray

ray.init()

@ray.remote(num_cpus=1)
def look():
    time.sleep(0.5)
    return ray.get_runtime_context().get_node_id(), dict(os.environ)

seen = ray.get([look.remote() for _ in range(4)])
with open(sys.argv[1], "w") as file:
    json.dump({"seen": seen, "driver": dict(os.environ), "nodes": len(ray.nodes())}, file)
sys.exit(int(sys.argv[2]))
"""
# As NeMo-RL's drivers connect: to any cluster that runs, with the driver's whole environment for
# its workers; where none runs, or one that another driver started, they start one of their own.
AS_NEMO_RL = DRIVER.replace(
    "ray.init()",
    """
handed = dict(os.environ)
handed.pop("RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES", None)
ray.init(
    address="auto",
    log_to_driver=True,
    include_dashboard=False,
    runtime_env={"env_vars": handed},
    _temp_dir=None,
)
assert not any(name.startswith("nrl_tag_") for name in ray.cluster_resources())
""",
)
WAITING = """
import pathlib, sys, time
import ray

ray.init()
pathlib.Path(sys.argv[1]).touch()
while True:
    time.sleep(0.1)
"""


class Step:
    """Simulated machines of a Slurm step, each a process that runs the script.

    Args:
        folder: Where the job lies.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"STEP_OF_THIS_TEST={folder}"
        self.machines: list[subprocess.Popen[str]] = []

    def start(self, request: LaunchRequest, *, job: int = 7, options: Mapping[int, str]) -> None:
        for node, more in options.items():
            environ = {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "NEMOTRON_RAY_OPTIONS": f"{STORE} {more}",
                "SLURM_JOB_ID": str(job),
                "SLURM_NODEID": str(node),
                "SLURM_PROCID": str(node),
                "SLURM_NTASKS": str(len(options)),
                "SLURM_CPUS_ON_NODE": "1",
                **SECRETS,
                **dict([self.mark.split("=", 1)]),
            }
            self.machines.append(
                subprocess.Popen(
                    ["bash", "-c", render_launch_script(request)],
                    env=environ,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )

    def wait(self) -> list[tuple[int, str]]:
        said = [machine.communicate()[1] for machine in self.machines]
        codes = [machine.returncode for machine in self.machines]
        return list(zip(codes, said, strict=True))

    def left(self) -> list[int]:
        """The processes of the step that are still there."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                environ = (place / "environ").read_bytes()
            except OSError:
                continue
            if self.mark.encode() in environ:
                found.append(int(place.name))
        return found


@pytest.fixture
def step(tmp_path: Path) -> Iterator[Step]:
    made = Step(tmp_path)
    yield made
    for left in made.left():
        os.kill(left, signal.SIGKILL)


def request_for(folder: Path, *words: str, nodes: int = 2, driver: str = DRIVER) -> LaunchRequest:
    (folder / "driver.py").write_text(driver)
    return LaunchRequest(
        launch="ray",
        words=("driver.py", *words),
        workdir=str(folder),
        run_dir=str(folder / "run"),
        variables=VALUES,
        secret_names=tuple(SECRETS),
        nodes=nodes,
        executor="slurm",
    )


def given(environ: Mapping[str, str]) -> dict[str, str | None]:
    return {name: environ.get(name) for name in {**VALUES, **SECRETS}}


def test_a_step_of_two_machines_is_one_cluster(step: Step, tmp_path: Path) -> None:
    found = tmp_path / "found.json"

    step.start(request_for(tmp_path, str(found), "3"), options={0: "", 1: ""})
    ended = step.wait()

    assert [code for code, _ in ended] == [3, 0], ended
    document = json.loads(found.read_text())
    assert document["nodes"] == 2
    assert [given(environ) for _, environ in document["seen"]] == [VALUES | SECRETS] * 4
    assert given(document["driver"]) == VALUES | SECRETS
    # What Slurm says of its tasks holds for no process of Ray.
    environs = [document["driver"], *(environ for _, environ in document["seen"])]
    assert not [environ for environ in environs if "SLURM_PROCID" in environ or "RANK" in environ]
    assert {environ["SLURM_JOB_ID"] for environ in environs} == {"7"}
    until(lambda: not step.left(), lambda: f"processes are left: {step.left()}")
    kept = (tmp_path / "run").rglob("*")
    texts = [file.read_text() for file in kept if file.is_file()]
    assert texts
    assert not [text for text in texts if any(secret in text for secret in SECRETS.values())]


def test_a_driver_that_connects_like_those_of_nemo_rl_gets_the_whole_cluster(
    step: Step, cluster: Cluster, tmp_path: Path
) -> None:
    own, joined = tmp_path / "own.json", tmp_path / "joined.json"
    # Ray fills in references in what a driver hands on by itself.
    plain = {"lower": "a b", "EMPTY": ""}
    request = replace(request_for(tmp_path, str(own), "0", driver=AS_NEMO_RL), variables=plain)
    step.start(request, options={0: "", 1: ""})
    running = replace(
        request,
        words=("driver.py", str(joined), "0"),
        executor="local",
        nodes=1,
        ray_address=cluster.address,
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", render_launch_script(running)],
        env={"PATH": path, "HOME": str(tmp_path), **QUIET, "HF_TOKEN": "hf_x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ended = step.wait()
    assert [code for code, _ in ended] == [0, 0], ended

    assert json.loads(own.read_text())["nodes"] == 2
    for file in (own, joined):
        for _, environ in json.loads(file.read_text())["seen"]:
            assert {name: environ[name] for name in plain} == plain
            assert environ["HF_TOKEN"].startswith("hf_")


def test_a_machine_that_cannot_start_ray_fails_the_step(step: Step, tmp_path: Path) -> None:
    request = request_for(tmp_path, "unused", "0")

    step.start(request, options={0: "", 1: "--no-such-option"})
    (head, said), (worker, complaint) = step.wait()

    assert (head, worker) == (1, 1)
    assert "No such option" in said
    assert "No such option" in complaint
    until(lambda: not step.left(), lambda: f"processes are left: {step.left()}")


def test_a_head_that_cannot_start_ray_lets_the_others_go(step: Step, tmp_path: Path) -> None:
    step.start(request_for(tmp_path, "unused", "0"), options={0: "--no-such-option", 1: ""})
    (head, said), (worker, _) = step.wait()

    assert (head, worker) == (1, 0)
    assert "No such option" in said


def test_two_jobs_on_one_host_have_a_cluster_each(step: Step, tmp_path: Path) -> None:
    files = [tmp_path / "first.json", tmp_path / "second.json"]

    for number, file in enumerate(files):
        request = request_for(tmp_path, str(file), "0", nodes=1)
        step.start(request, job=7 + 10000 * number, options={0: ""})
    ended = step.wait()

    assert [code for code, _ in ended] == [0, 0], ended
    documents = [json.loads(file.read_text()) for file in files]
    assert [document["nodes"] for document in documents] == [1, 1]
    assert len({document["driver"]["RAY_ADDRESS"] for document in documents}) == 2


def test_a_job_that_is_cancelled_leaves_nothing(step: Step, tmp_path: Path) -> None:
    started = tmp_path / "started"
    step.start(request_for(tmp_path, str(started), driver=WAITING), options={0: "", 1: ""})
    until(started.exists, lambda: "the driver did not start")

    for machine in step.machines:
        machine.send_signal(signal.SIGTERM)
    ended = step.wait()

    assert ended[0][0] == 128 + signal.SIGTERM, ended
    until(lambda: not step.left(), lambda: f"processes are left: {step.left()}")


def test_workers_of_a_cluster_that_runs_get_the_variables(cluster: Cluster, tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    exact = VALUES | {"DOLLAR": "$HOME $lower $$ ${lower} $"}
    request = request_for(tmp_path, str(found), "5")
    request = replace(
        request, executor="local", nodes=1, ray_address=cluster.address, variables=exact
    )

    done = subprocess.run(
        ["bash", "-c", render_launch_script(request)],
        env={
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            **QUIET,
            **SECRETS,
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 5, done.stderr
    seen = json.loads(found.read_text())["seen"]
    assert [given(environ) for _, environ in seen] == [exact | SECRETS] * 4
