"""Executors built from profiles: their fields, and what NeMo-Run makes of them with no engine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace as Named
from typing import Any, ClassVar

import nemo_run as run
import pytest
from nemo_run.core.execution.dgxcloud import DGXCloudRequest
from nemo_run.core.execution.docker import DockerContainer
from rendering.golden import as_json, matches
from rendering.variables import AWKWARD, environment_of

from nemo_runspec.errors import MissingDependencyError, ProfileError
from nemo_runspec.execution import build_executor, load_profile
from nemo_runspec.packaging.nemo_run import SelfContainedPackager

GOLDEN = Path(__file__).parent / "golden"
PROFILES = Path(__file__).parent / "profiles.toml"


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home without logins."""
    monkeypatch.setenv("DGX_CLIENT_SECRET", "s3cret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NEMOTRON_ENV", str(PROFILES))
    for name in ("WANDB_API_KEY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["local", "docker", "slurm", "ssh", "plain", "dgxcloud", "lepton"],
)
def test_an_executor_has_what_the_profile_says(name: str) -> None:
    made = build_executor(name, **({"startup_commands": []} if name == "docker" else {}))
    assert matches(GOLDEN / f"{name}.json", as_json(made))


def test_attached_and_detached_jobs_have_their_partitions() -> None:
    assert build_executor("slurm").partition == "interactive"
    assert build_executor("slurm", mode="batch").partition == "batch"


def test_a_profile_a_mapping_and_overrides_are_taken() -> None:
    by_name = build_executor("slurm", nodes=3, gpus=None, packager=run.Packager())
    assert build_executor(load_profile("slurm"), nodes=3, gpus_per_node=None) == by_name
    assert (by_name.nodes, by_name.gpus_per_node) == (3, None)
    given = {"executor": "slurm", "account": "a", "env_vars": {"A": "1"}}
    assert build_executor(given).env_vars == {"A": "1"}


def test_a_packager_is_passed_on() -> None:
    packager = SelfContainedPackager(script="recipes/train.py")
    assert build_executor("slurm", packager=packager).packager is packager


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("docker", {"image": None}, "has no 'container_image', which docker needs"),
        ("ssh", {"remote_job_dir": None}, "has no 'remote_job_dir', which slurm needs"),
        ("lepton", {"node_group": None}, "has no 'node_group', which lepton needs"),
        ("dgxcloud", {"client_secret": None}, "has no 'client_secret', which dgxcloud needs"),
        ("docker", {"startup_commands": ["a"]}, "docker has no place for 'startup_commands'"),
    ],
)
def test_what_an_executor_cannot_do_without_is_named(
    name: str, overrides: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProfileError, match=message):
        build_executor(name, **overrides)


def test_skypilot_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sky", None)
    with pytest.raises(MissingDependencyError, match=r"needs skypilot, .*'nemo-run\[skypilot\]'"):
        build_executor("skypilot")


def test_logins_and_the_profile_are_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_" + "x" * 24)
    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    variables = build_executor("slurm").env_vars
    assert variables["HF_TOKEN"] == "hf_" + "x" * 24
    assert variables["WANDB_API_KEY"] == "k" * 40
    assert variables["HF_HOME"] == "/lustre/hf"


def rendered(executor: Any, tmp_path: Path, script: Any = None) -> Path:
    """Let NeMo-Run write an experiment that runs nowhere; the path of its folder."""
    given = script or run.Script(path="/nemo_run/code/launch.sh", entrypoint="bash")
    with run.Experiment("golden", id="golden_1", base_dir=str(tmp_path / "home")) as experiment:
        experiment.add(given, executor=executor, name="train")
        experiment.dryrun(log=False, delete_exp_dir=False, exist_ok=True)
    return tmp_path / "home" / "experiments" / "golden" / "golden_1"


@pytest.mark.parametrize("name", ["slurm", "ssh", "plain"])
def test_a_batch_script_is_the_golden_one(name: str, tmp_path: Path) -> None:
    executor = build_executor(name, env_vars=AWKWARD)
    script = (rendered(executor, tmp_path) / "train_sbatch.sh").read_text()
    subprocess.run(["bash", "-n"], input=script, text=True, check=True, timeout=60)
    shown = script.replace(os.environ["NEMORUN_HOME"], "NEMORUN_HOME")
    lines = [line.rstrip() for line in shown.splitlines()]
    assert matches(GOLDEN / f"{name}_sbatch.sh", "\n".join(lines) + "\n")


def test_variables_are_exact_in_a_slurm_job(tmp_path: Path) -> None:
    executor = build_executor("slurm", env_vars=AWKWARD, image=None, startup_commands=[])
    script = (rendered(executor, tmp_path) / "train_sbatch.sh").read_text()
    found = environment_of(script, tmp_path, {"SLURM_JOB_NODELIST": "n1"})
    assert {name: found.get(name) for name in AWKWARD} == AWKWARD


def test_variables_stay_exact_where_a_job_is_rendered_again(tmp_path: Path) -> None:
    executor = build_executor("plain", env_vars=AWKWARD)
    rendered(executor, tmp_path / "first")
    script = (rendered(executor, tmp_path / "second") / "train_sbatch.sh").read_text()
    found = environment_of(script, tmp_path, {"SLURM_JOB_NODELIST": "n1"})
    assert {name: found.get(name) for name in AWKWARD} == AWKWARD


def test_variables_of_a_container_win_over_the_image() -> None:
    made = build_executor("slurm", env_vars=AWKWARD)
    assert made.container_env == ["NCCL_DEBUG", *AWKWARD]


def test_variables_are_exact_in_a_local_job(tmp_path: Path) -> None:
    out = tmp_path / "environment.json"
    program = tmp_path / "job.py"
    program.write_text(
        "import json, os, pathlib\n"
        f"pathlib.Path({str(out)!r}).write_text(json.dumps(dict(os.environ)))\n"
    )
    executor = build_executor("local", env_vars=AWKWARD, ntasks_per_node=1)
    with run.Experiment("local") as experiment:
        script = run.Script(path=str(program), entrypoint=sys.executable)
        experiment.add(script, executor=executor, name="train")
        experiment.run(detach=False)
    found = json.loads(out.read_text())
    assert {name: found.get(name) for name in AWKWARD} == AWKWARD


class Engine:
    """Stands for Docker's client: keeps what it is asked to run."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}
        self.containers = self
        self.networks = self

    def create(self, **_given: Any) -> None:
        """Every network can be made."""

    def run(self, image: str, command: str, **given: Any) -> None:
        """Keep the request."""
        self.asked = {"image": image, "command": command, **given}


def test_a_container_is_asked_for_with_exact_variables(tmp_path: Path) -> None:
    executor = build_executor("docker", env_vars=AWKWARD)
    executor.assign("golden_1", str(tmp_path), "train", "train")
    container = DockerContainer(
        name="golden-1-train", command=["bash", "launch.sh"], executor=executor, extra_env={}
    )
    engine = Engine()
    container.run(engine, "id")
    assert engine.asked["environment"] == AWKWARD
    assert matches(GOLDEN / "docker_request.json", as_json(engine.asked))


class Recorder(BaseHTTPRequestHandler):
    """A cloud's API that takes every job and keeps it."""

    bodies: ClassVar[list[Any]] = []

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.bodies.append((self.path, json.loads(self.rfile.read(length))))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


@pytest.fixture
def cloud() -> Iterator[str]:
    Recorder.bodies.clear()
    server = HTTPServer(("127.0.0.1", 0), Recorder)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "variables", [AWKWARD, {"HF_HOME": "/lustre/hf"}], ids=["awkward", "plain"]
)
def test_a_workload_of_dgx_cloud_has_exact_variables(
    cloud: str, tmp_path: Path, variables: dict[str, str]
) -> None:
    executor = build_executor("dgxcloud", env_vars=variables, base_url=cloud)
    executor.pvc_job_dir = "/workspace/nemo_run/experiments/golden"
    executor.create_training_job("token", "project", "cluster", "golden")
    ((path, body),) = Recorder.bodies
    assert path == "/workloads/distributed"
    kind = "plain" if len(variables) == 1 else "awkward"
    assert matches(GOLDEN / f"dgxcloud_{kind}_request.json", as_json(body))
    request = DGXCloudRequest(
        launch_cmd=["train"], jobs=["train"], executor=executor, max_retries=0, extra_env={}
    )
    pod = {item["name"]: item["value"] for item in body["spec"]["environmentVariables"]}
    found = environment_of(request.materialize(), tmp_path, {**pod, "HOSTNAME": "pod-worker-0"})
    assert {name: found.get(name) for name in variables} == variables


class Lepton:
    """Stands for Lepton's client: one node group, and every job is taken."""

    def __init__(self) -> None:
        node = Named(metadata=Named(id_="node-1"))
        group = Named(metadata=Named(name="h100", id_="group-1"))
        self.nodegroup = Named(list_all=lambda: [group], list_nodes=lambda _group: [node])
        self.job = self
        self.asked: Any = None

    def create(self, job: Any) -> Any:
        """Keep the job."""
        self.asked = job
        return job


def test_a_job_of_lepton_has_exact_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Lepton()
    monkeypatch.setattr("nemo_run.core.execution.lepton.APIClient", lambda: client)
    executor = build_executor("lepton", env_vars=AWKWARD)
    executor.lepton_job_dir = "/nemo-workspace/you/experiments/golden"
    executor.create_lepton_job("golden")
    body = json.loads(client.asked.model_dump_json(by_alias=True, exclude_none=True))
    found = {item["name"]: item.get("value") for item in body["spec"]["envs"]}
    assert {name: found[name] for name in AWKWARD} == AWKWARD
    assert matches(GOLDEN / "lepton_request.json", as_json(body))


def told(code: str) -> str:
    """What a process of its own prints."""
    command = [sys.executable, "-W", "ignore", "-c", code]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=120
    ).stdout.strip()


def test_nemo_run_is_imported_when_an_executor_is_built() -> None:
    code = """
import sys
from nemo_runspec.execution import build_executor, load_profile
load_profile("slurm")
print("nemo_run" in sys.modules, end=" ")
build_executor("slurm")
print("nemo_run" in sys.modules)
"""
    assert told(code) == "False True"


def test_a_nemo_run_that_cannot_be_imported_is_named() -> None:
    code = """
import sys
sys.modules["leptonai.api.v1"] = None
from nemo_runspec.errors import MissingDependencyError
from nemo_runspec.execution import build_executor
try:
    build_executor("slurm")
except MissingDependencyError as error:
    print(error)
"""
    message = told(code)
    assert message.startswith("NeMo-Run is installed and cannot be imported: ")
    assert "leptonai below 0.28: pip install 'nemo-runspec[run]'" in message
