"""``nemotron profiles``: what it lists, shows and finds wrong."""

from __future__ import annotations

import json
import socketserver
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

ENV = """\
[base]
executor = "slurm"
account = "research"
partition = "batch"
time = "01:00:00"

[base.env_vars]
HF_HOME = "/lustre/hf"
HF_TOKEN = "${oc.env:TOKEN_OF_MINE}"

[far]
extends = "base"
host = "login.example.com"
remote_job_dir = "/lustre/you"
nodes = 4
gpus = 8

[box]
executor = "docker"
image = "nemo:1"
gpus = -1
mounts = ["/absent/folder"]

[here]

[wrong]
executor = "docker"
nodes = 2
"""


@pytest.fixture
def env(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TOKEN_OF_MINE", "hf_not_to_be_seen_anywhere_at_all")
    file = workplace / "env.toml"
    file.write_text(ENV)
    return file


def test_profiles_are_listed_and_what_is_wrong_is_told(env: Path, nemotron: Callable) -> None:
    done = nemotron("profiles", "ls")
    assert done.code == 0
    rows = [" ".join(line.strip("│| ").split()) for line in done.out.splitlines()]
    assert "far slurm login.example.com 4 8 base" in rows
    assert "here local this machine 1 0" in rows
    assert any("env.toml:28: The executor docker has no key 'nodes'" in row for row in rows)
    listed = json.loads(nemotron("profiles", "ls", "--json").out)
    assert [each["name"] for each in listed] == ["base", "far", "box", "here", "wrong"]
    assert listed[1] == {
        "name": "far",
        "extends": ["base"],
        "executor": "slurm",
        "where": "login.example.com",
        "nodes": 4,
        "gpus_per_node": 8,
        "problem": None,
    }
    assert nemotron("profiles", "ls", "--quiet").out == "base\nfar\nbox\nhere\nwrong\n"
    assert env.is_file()


def test_a_profile_is_shown_with_the_lines_that_say_it(env: Path, nemotron: Callable) -> None:
    done = nemotron("profiles", "show", "far")
    assert done.code == 0
    assert "Profile far (slurm)" in done.out
    shown = json.loads(nemotron("profiles", "show", "far", "--json").out)
    assert (shown["name"], shown["executor"]) == ("far", "slurm")
    assert shown["keys"]["account"] == {"value": "research", "where": f"{env}:3"}
    assert shown["keys"]["nodes"] == {"value": 4, "where": f"{env}:15"}
    assert shown["keys"]["env_vars.HF_HOME"] == {"value": "/lustre/hf", "where": f"{env}:8"}
    assert "hf_not_to_be_seen" not in done.out + json.dumps(shown)
    assert "nodes = 4\n" in nemotron("profiles", "show", "far", "--quiet").out


def test_a_profile_that_only_lends_its_keys_needs_no_executor(
    workplace: Path, nemotron: Callable
) -> None:
    text = '[common]\nmounts = ["/lustre"]\n[a]\nextends = "common"\nexecutor = "slurm"\n'
    (workplace / "env.toml").write_text(text)
    listed = json.loads(nemotron("profiles", "ls", "--json").out)
    assert [(each["executor"], each["problem"]) for each in listed] == [
        (None, None),
        ("slurm", None),
    ]
    assert "common   (for others)" in nemotron("profiles", "ls").out
    assert nemotron("profiles", "show", "common", "--quiet").out == 'mounts = ["/lustre"]\n'
    assert nemotron("profiles", "check", "common").code == 2


def test_a_circle_is_told_for_each_of_its_profiles(workplace: Path, nemotron: Callable) -> None:
    (workplace / "env.toml").write_text('[a]\nextends = "b"\n[b]\nextends = "a"\n')
    listed = json.loads(nemotron("profiles", "ls", "--json").out)
    assert ["in a circle" in each["problem"] for each in listed] == [True, True]
    done = nemotron("profiles", "show", "a")
    assert done.code == 2
    assert "in a circle" in done.err


def test_a_secret_that_is_written_out_is_not_shown(workplace: Path, nemotron: Callable) -> None:
    line = 'client_secret = "spelled-out-in-the-file"'
    more = '[a.env_vars]\nA_TOKEN = "also spelled-out"\nSIZE = 3\n'
    (workplace / "env.toml").write_text(f'[a]\nexecutor = "dgxcloud"\n{line}\n{more}')
    for options in ([], ["--json"], ["--quiet"]):
        done = nemotron("profiles", "show", "a", *options)
        assert done.code == 0
        assert "spelled-out" not in done.out


def test_a_key_that_is_not_there_is_told_before_ssh_takes_another(
    workplace: Path, nemotron: Callable
) -> None:
    lines = f'host = "nowhere.invalid"\nremote_job_dir = "/far"\nidentity = "{workplace}/key"\n'
    (workplace / "env.toml").write_text(f'[far]\nexecutor = "slurm"\n{lines}')
    done = nemotron("profiles", "check", "far", "--json")
    assert done.code == 1
    checks = {item["name"]: item for item in json.loads(done.out)["checks"]}
    assert checks["keys"]["says"] == f"The key {workplace}/key is not there."
    assert not {"host", "key"} & set(checks)


@pytest.mark.parametrize("command", ["show", "check"])
def test_a_profile_that_is_not_there_is_named(env: Path, nemotron: Callable, command: str) -> None:
    done = nemotron("profiles", command, "farr")
    assert done.code == 2
    assert "There is no profile 'farr'." in done.err
    assert "Did you mean 'far'?" in done.err
    assert str(env) in done.err


@pytest.mark.parametrize("words", [["ls"], ["show", "x"], ["check", "x"]])
@pytest.mark.usefixtures("workplace")
def test_without_env_toml_one_sentence_says_so(nemotron: Callable, words: list[str]) -> None:
    done = nemotron("profiles", *words)
    assert done.code == 2
    assert "There is no env.toml" in done.err
    assert "NEMOTRON_ENV" in done.err


@pytest.mark.usefixtures("env")
def test_a_profile_of_this_machine_is_ready(nemotron: Callable) -> None:
    done = nemotron("profiles", "check", "here")
    assert done.code == 0
    assert "Ready." in done.out
    assert nemotron("profiles", "check", "here", "--quiet").out == ""


class Engine(BaseHTTPRequestHandler):
    """Stands for Docker's engine, with one image and no GPUs."""

    answers: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {
        "/info": (200, {"ServerVersion": "27.0", "Runtimes": {"runc": {}}}),
        "/images/here:1/json": (200, {"Id": "x"}),
    }

    def do_GET(self) -> None:
        code, content = self.answers.get(self.path, (404, {"message": "No such image"}))
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


class UnixServer(socketserver.ThreadingUnixStreamServer):
    """HTTP on a socket in the file system, where a client has no address."""

    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        request, _ = super().get_request()
        return request, ("engine", 0)


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    address = str(tmp_path / "engine.sock")
    monkeypatch.chdir(tmp_path)
    server = UnixServer("engine.sock", Engine)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{address}")
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


def found(nemotron: Callable, name: str) -> dict[str, tuple[str, str]]:
    document = json.loads(nemotron("profiles", "check", name, "--json").out)
    checks = {item["name"]: (item["state"], item["says"]) for item in document["checks"]}
    wrong = [name for name, (state, _) in checks.items() if state == "failed"]
    assert document["ready"] == (not wrong)
    checks.pop("NeMo-Run", None)
    return checks


@pytest.mark.usefixtures("engine")
def test_what_docker_lacks_is_named(env: Path, nemotron: Callable) -> None:
    assert found(nemotron, "box") == {
        "engine": ("ok", "Release 27.0 answers."),
        "image": ("warning", "nemo:1 is not on this machine; it is pulled when a job starts."),
        "GPUs": ("failed", "The engine has no NVIDIA runtime."),
        "mount": ("failed", "/absent/folder is not there."),
    }
    done = nemotron("profiles", "check", "box")
    assert done.code == 1
    assert "Cure: Install the NVIDIA Container Toolkit" in done.out
    env.write_text('[box]\nexecutor = "docker"\nimage = "here:1"\n')
    assert found(nemotron, "box")["image"] == ("ok", "here:1 is there.")


@pytest.mark.usefixtures("env")
def test_an_engine_that_does_not_answer_is_named(
    nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    state, says = found(nemotron, "box")["engine"]
    assert state == "failed"
    assert says.startswith("It does not answer at unix:///nowhere/docker.sock: No such file")


@pytest.mark.usefixtures("env")
def test_without_nemo_run_jobs_cannot_be_submitted(
    nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nemo_run", None)
    done = nemotron("profiles", "check", "box", "--quiet")
    assert done.code == 1
    assert "NeMo-Run: It is not installed.\n" in done.out


def test_what_clouds_lack_is_named(
    workplace: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(workplace))
    monkeypatch.delenv("LEPTON_WORKSPACE_ID", raising=False)
    (workplace / "env.toml").write_text(
        '[dgx]\nexecutor = "dgxcloud"\nbase_url = "http://127.0.0.1:1"\n'
        'pvc_nemo_run_dir = "/lustre/jobs"\npvcs = [{ name = "a", path = "/other" }]\n'
        '[lepton]\nexecutor = "lepton"\nnode_group = "g"\n'
        '[sky]\nexecutor = "skypilot"\n[pods]\nexecutor = "kuberay"\n'
    )
    dgx = found(nemotron, "dgx")
    assert dgx["keys"][1].startswith("The profile has no kube_apiserver_url, client_id, client_se")
    assert dgx["volume"] == ("failed", "No volume of 'pvcs' holds /lustre/jobs.")
    assert dgx["API"] == ("failed", "http://127.0.0.1:1 does not answer: Connection refused.")
    lepton = found(nemotron, "lepton")
    assert lepton["keys"] == ("failed", "The profile has no nemo_run_dir.")
    assert lepton["login"] == ("failed", "There is no login of Lepton's client.")
    monkeypatch.setenv("LEPTON_WORKSPACE_ID", "team")
    assert found(nemotron, "lepton")["login"][0] == "ok"
    assert found(nemotron, "sky")["SkyPilot"] == ("failed", "It is not installed.")
    assert found(nemotron, "pods")["client"][0] == "failed"


def test_names_are_completed(
    env: Path, nemotron: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert env.is_file()
    monkeypatch.setenv("_NEMOTRON_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_LINE", "nemotron profiles show b")
    assert nemotron().out.split() == ["plain,base", "plain,box"]
