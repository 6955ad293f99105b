"""Jobs that NeMo-Run starts on an engine: what the engine is asked for, and what stays behind."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from typing import Any, ClassVar

import pytest
from kubernetes.config import kube_config
from slurm_cluster.daemons import wait_until
from slurm_recipes import KEY, NASTY, make_plan

from nemo_runspec.errors import ExecutionError, NemotronError, ProfileError, UsageError
from nemo_runspec.execution import build_executor
from nemo_runspec.execution.jobs import read_record
from nemo_runspec.execution.jobs.engine import EngineBackend
from nemo_runspec.execution.jobs.status import OutputPosition
from nemo_runspec.execution.nemo_run.scrubbing import scrub
from nemo_runspec.execution.nemo_run.start import give_secrets
from nemo_runspec.execution.profiles import read_profile
from nemo_runspec.execution.submission import Mode, PreparedSubmission, prepare_submission, submit
from nemotron.cli.main import main

VARIABLES = """
[lab.env_vars]
lower_case = "as it is"
NASTY = {nasty}
DEMO_API_KEY = "${{oc.env:DEMO_API_KEY}}"
"""


class DockerHandler(BaseHTTPRequestHandler):
    """As much of a Docker engine as starts a container: it answers, and remembers."""

    created: ClassVar[list[dict[str, Any]]] = []
    refusing: ClassVar[bool] = False
    running: ClassVar[bool] = True

    @staticmethod
    def starts(created: dict[str, Any]) -> None:
        """What a container does at once: nothing."""

    def do_DELETE(self) -> None:
        type(self).running = False
        self._answer(None, status=204)

    def do_GET(self) -> None:
        if self.path.endswith("/networks") or "/networks?" in self.path:
            self._answer([])
        elif "/containers/json" in self.path:
            self._answer([{"Id": "c0ffee"}] if self.running else [])
        elif "/containers/" in self.path:
            self._answer({"Id": "c0ffee", "State": {"Status": "running"}, "Config": {}})
        else:
            self._answer({"ApiVersion": "1.43", "MinAPIVersion": "1.24", "Id": "i", "Config": {}})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "/containers/create" in self.path:
            if self.refusing:
                self._answer({"message": f"no room for {KEY}"}, status=500)
                return
            self.created.append(json.loads(content))
            self._answer({"Id": "c0ffee"}, status=201)
        elif "/start" in self.path:
            self.starts(self.created[-1])
            self._answer(None, status=204)
        else:
            self._answer({"Id": "n"}, status=201)

    def _answer(self, content: object, *, status: int = 200) -> None:
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[DockerHandler]]:
    class Handler(DockerHandler):
        created = DockerHandler.created

    Handler.created.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        yield Handler
        server.shutdown()


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DEMO_API_KEY", KEY)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def write_env(folder: Path, *lines: str) -> None:
    profile = "\n".join(["[lab]", *lines])
    (folder / "env.toml").write_text(profile + VARIABLES.format(nasty=json.dumps(NASTY)))


def prepare(folder: Path, *lines: str, mode: Mode = "batch") -> PreparedSubmission:
    write_env(folder, *lines)
    plan = make_plan(folder)
    chosen = read_profile(plan.job, plan.recipe, name="lab")
    run_dir = folder / ".nemotron/runs/demo-train/one"
    return prepare_submission(plan, chosen, mode=mode, folder=run_dir)


DOCKER = ('executor = "docker"', 'container_image = "nemo:25"', 'startup_commands = ["umask 022"]')


def test_a_container_is_started_and_nothing_that_is_kept_has_a_secret(
    workplace: Path, engine: type[DockerHandler]
) -> None:
    prepared = prepare(workplace, *DOCKER)
    record = submit(prepared)

    [asked] = engine.created
    assert f"DEMO_API_KEY={KEY}" in asked["Env"]
    assert not [item for item in asked["Env"] if "NASTY" in item]
    assert "bash /nemo_run/code/launch.sh" in " ".join(asked["Cmd"])
    assert f"{record.job_dir}:/nemo_run" in asked["HostConfig"]["Binds"]
    assert asked["Image"] == "nemo:25"
    code = Path(record.job_dir, "code")
    assert {"main.py", "config.yaml", "launch.sh"} <= {item.name for item in code.iterdir()}
    assert "umask 022" in (code / "launch.sh").read_text()
    assert read_record(prepared.folder) == record
    assert record.scheduler_id is not None
    assert record.scheduler_id.startswith("docker_persistent://nemo_run/demo-train")
    assert scrub(workplace, [KEY]) == ()


def end_with(job_dir: Path, code: int) -> None:
    """Leave what the container's shell line leaves: what it printed, and its exit code."""
    [shell] = [line for line in DockerHandler.created[-1]["Cmd"] if "status_" in line]
    log, left = re.findall(r"/nemo_run/((?:log|status)_\S+\.out)", shell)
    (job_dir / log).write_text("step 1\n")
    (job_dir / left).write_text(json.dumps({"id": "i", "exit_code": str(code)}))


def test_a_container_whose_command_is_killed_as_it_starts_is_found(
    workplace: Path,
    engine: type[DockerHandler],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_env(workplace, *DOCKER)
    make_plan(workplace)
    monkeypatch.setenv("NEMOTRON_RECIPES", str(workplace))
    killed: Queue[subprocess.Popen[bytes]] = Queue()

    def kill_the_command(_created: dict[str, Any]) -> None:
        command = killed.get(timeout=60)
        command.kill()
        command.wait(60)

    monkeypatch.setattr(engine, "starts", staticmethod(kill_the_command))
    words = [sys.executable, "-m", "nemotron", "demo", "train", "--batch", "lab"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL) as command:
        killed.put(command)
    assert command.returncode == -signal.SIGKILL

    def listed() -> list[dict[str, Any]]:
        assert main(["jobs", "ls", "--json"]) == 0
        found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
        return found

    assert wait_until(lambda: listed() != [], 120)
    [found] = listed()
    assert found["job"]["scheduler_id"].startswith("docker_persistent://nemo_run/demo-train")
    assert found["status"]["state"] == "running"
    assert scrub(workplace, [KEY]) == ()
    assert {item.name for item in Path(found["job"]["run_dir"]).iterdir()} == {
        "job.yaml",
        "train.yaml",
        "job.json",
        "nemo_run",
    }


@pytest.mark.parametrize(("code", "state"), [(0, "succeeded"), (7, "failed")])
def test_a_container_whose_job_has_secrets_is_followed_to_its_own_end(
    workplace: Path, engine: type[DockerHandler], code: int, state: str
) -> None:
    record = submit(prepare(workplace, *DOCKER))
    with EngineBackend() as backend:
        assert backend.status(record).state == "running"

        end_with(Path(record.job_dir), code)
        engine.running = False

        ended = backend.status(record)
    assert (ended.state, ended.exit_code, ended.command_code) == (state, code, code)
    assert backend.read_output(record, OutputPosition()).data == b"step 1\n"


def test_a_container_that_was_cancelled_is_no_lost_job(
    workplace: Path, engine: type[DockerHandler]
) -> None:
    record = submit(prepare(workplace, *DOCKER))
    with EngineBackend() as backend:
        backend.cancel(record)

        assert not engine.running
        assert backend.status(record).state == "cancelled"


def test_the_command_shows_what_a_container_printed_and_ends_as_it_does(
    workplace: Path,
    engine: type[DockerHandler],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_env(workplace, *DOCKER)
    make_plan(workplace)
    monkeypatch.setenv("NEMOTRON_RECIPES", str(workplace))

    def end_at_once(created: dict[str, Any]) -> None:
        [bind] = [item for item in created["HostConfig"]["Binds"] if item.endswith(":/nemo_run")]
        end_with(Path(bind.partition(":")[0]), 7)
        engine.running = False

    monkeypatch.setattr(engine, "starts", staticmethod(end_at_once))
    code = main(["demo", "train", "--run", "lab"])

    said = capsys.readouterr()
    assert code == 7, said.err
    assert "\nstep 1\n" in said.out
    assert "│ Exit code: 7 " in said.out
    assert KEY not in said.out + said.err


def test_an_engine_that_refuses_leaves_nothing_and_its_words_no_secret(
    workplace: Path, engine: type[DockerHandler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "refusing", True)
    prepared = prepare(workplace, *DOCKER)

    with pytest.raises(
        ExecutionError, match=r"NeMo-Run could not do it: .*no room for \*\*\*"
    ) as caught:
        submit(prepared)

    assert KEY not in "".join(caught.value.__notes__)
    assert not prepared.folder.exists()


def test_no_engine_at_all(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

    with pytest.raises(ExecutionError, match=r"NeMo-Run could not do it: .*Connection refused"):
        submit(prepare(workplace, *DOCKER))


def test_what_a_profile_lacks_is_said_as_our_own_error(workplace: Path) -> None:
    lines = ('executor = "lepton"', 'container_image = "nemo:25"', 'nemo_run_dir = "/mnt/x"')

    with pytest.raises(ProfileError, match="has no 'node_group', which lepton needs"):
        submit(prepare(workplace, *lines))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (('executor = "kubeflow"', 'image = "nemo"'), "has no 'workdir_pvc'"),
        (('executor = "kuberay"', 'image = "nemo"'), "has no 'volumes' and 'volume_mounts'"),
    ],
)
def test_code_that_would_not_reach_its_pods(
    workplace: Path, lines: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ProfileError, match=told):
        prepare(workplace, *lines)


def test_paths_are_those_of_the_volume_on_kubernetes(workplace: Path) -> None:
    lines = ('executor = "kubeflow"', 'image = "nemo"', 'workdir_pvc = "jobs"')
    prepared = prepare(workplace, *lines)

    place = prepared.place.seen_code_dir
    assert place.startswith("/nemo_run/")
    assert place.endswith("/demo-train_one/demo-train/code/code")
    assert f"cd {place}" in prepared.launch_script


def test_a_container_cannot_be_staged(workplace: Path) -> None:
    with pytest.raises(UsageError, match="Jobs of the executor 'docker' cannot be staged"):
        prepare(workplace, *DOCKER, mode="stage")


def test_jobs_of_this_machine_are_not_submitted(workplace: Path) -> None:
    with pytest.raises(NemotronError, match="Jobs of this machine are not submitted"):
        prepare(workplace, 'executor = "local"')


@pytest.fixture
def kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG)
    # The variable of that name is read as the package is imported.
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(config))


KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
users: [{name: test, user: {token: none}}]
"""


@pytest.mark.usefixtures("kubeconfig")
def test_a_secret_reaches_a_pod_and_not_the_script_that_is_sent_to_it(tmp_path: Path) -> None:
    executor = build_executor({"executor": "kubeflow", "image": "nemo"}, env_vars={})
    executor.assign("title_1", str(tmp_path), "task", "task")
    give_secrets("kubeflow", executor, {"DEMO_API_KEY": f"{KEY}$(HOME)"})
    executor.materialize_launch_script(["bash", "launch.sh"])

    body = executor.get_job_body("task", ["bash", "launch.sh"])
    sent = {item["name"]: item["value"] for item in body["spec"]["trainer"]["env"]}
    # Kubernetes reads a doubled dollar sign as one that begins nothing.
    assert sent == {"DEMO_API_KEY": f"{KEY}$$(HOME)"}
    assert KEY not in (tmp_path / "task/launch.sh").read_text()


def test_a_secret_reaches_a_workload_of_dgx_cloud_and_not_its_script() -> None:
    needed = ("base_url", "kube_apiserver_url", "client_id", "client_secret", "project_name")
    profile = {
        **dict.fromkeys(needed, "x"),
        "executor": "dgxcloud",
        "image": "nemo",
        "pvc_nemo_run_dir": "/mnt/jobs",
        "custom_spec": {"environmentVariables": [{"name": "A", "value": "1"}]},
    }
    executor = build_executor(profile, env_vars={})
    give_secrets("dgxcloud", executor, {"DEMO_API_KEY": KEY})

    listed = {item["name"]: item["value"] for item in executor.custom_spec["environmentVariables"]}
    assert listed == {"A": "1", "DEMO_API_KEY": KEY}
    assert executor.env_vars == {}
