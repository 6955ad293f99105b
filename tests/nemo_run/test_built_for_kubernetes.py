"""Executors of Kubernetes clusters built from profiles, and the bodies that NeMo-Run makes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from cloud_doubles.containers import write_tools
from kubernetes.config import kube_config
from rendering.golden import as_json, matches
from rendering.variables import AWKWARD, environment_of

from nemo_runspec.errors import ProfileError
from nemo_runspec.execution import build_executor, load_profile
from nemo_runspec.execution.checking import check_profile

GOLDEN = Path(__file__).parent / "golden"
PROFILES = Path(__file__).parent / "profiles.toml"
KUBECONFIG = """\
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "http://127.0.0.1:1"}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
users: [{name: test, user: {token: none}}]
"""


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A home without logins, and a cluster to be found that is never spoken to."""
    config = tmp_path / "kubeconfig"
    config.write_text(KUBECONFIG)
    # The variable of that name is read as the package is imported.
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(config))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NEMOTRON_ENV", str(PROFILES))
    for name in ("WANDB_API_KEY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", ["kubeflow", "kuberay"])
def test_an_executor_has_what_the_profile_says(name: str) -> None:
    assert matches(GOLDEN / f"{name}.json", as_json(build_executor(name)))


def test_groups_of_workers_are_taken_as_they_are_written() -> None:
    made = build_executor("groups", env_vars={})
    groups = [(item.group_name, item.replicas, item.gpus_per_worker) for item in made.worker_groups]
    assert groups == [("big", 2, 8), ("workers-1", 1, None)]
    wrong = [{"group_name": "a", "replica": 2}]
    with pytest.raises(ProfileError, match=r"no key 'replica'\. Did you mean 'replicas'"):
        build_executor("groups", worker_groups=wrong)


def test_kubeflow_says_that_no_cluster_can_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", "/nowhere")
    with pytest.raises(ProfileError, match=r"no Kubernetes configuration .* name the file in KUBE"):
        build_executor("kubeflow")


def expanded(variables: list[dict[str, Any]]) -> dict[str, str]:
    """Expand a pod's variables as Kubernetes does: ``$$`` is ``$``, ``$(NAME)`` a variable."""
    found: dict[str, str] = {}
    for item in variables:
        text, value, at = item["value"], "", 0
        while at < len(text):
            end = text.find(")", at)
            if text.startswith("$$", at):
                value, at = value + "$", at + 2
            elif text.startswith("$(", at) and end > 0:
                value, at = value + found.get(text[at + 2 : end], text[at : end + 1]), end + 1
            else:
                value, at = value + text[at], at + 1
        found[item["name"]] = value
    return found


def test_a_train_job_of_kubeflow_has_exact_variables(tmp_path: Path) -> None:
    executor = build_executor("kubeflow", env_vars=AWKWARD)
    body = executor.get_job_body("golden", ["bash", "launch.sh"])
    assert matches(GOLDEN / "kubeflow_request.json", as_json(body))
    pod = expanded(body["spec"]["trainer"]["env"])
    assert pod == AWKWARD
    executor.assign("golden_1", str(tmp_path), "train", "train")
    executor.materialize_launch_script(["train"])
    script = (tmp_path / "train" / "launch.sh").read_text()
    code_dir = tmp_path / "code"
    code_dir.mkdir()
    # What it does to the root of its pod it does to a folder here.
    linked = script.replace(executor.code_dir, str(code_dir)).replace(
        f"{code_dir} /nemo_run\n", f"{code_dir} {tmp_path}/nemo_run\n"
    )
    found = environment_of(linked, tmp_path, pod)
    assert (tmp_path / "nemo_run").readlink() == code_dir
    assert {name: found.get(name) for name in AWKWARD} == AWKWARD


def test_a_ray_cluster_of_kuberay_has_exact_variables() -> None:
    body = build_executor("kuberay", env_vars=AWKWARD).get_cluster_body("golden")
    assert matches(GOLDEN / "kuberay_request.json", as_json(body))
    head = body["spec"]["headGroupSpec"]
    (workers,) = body["spec"]["workerGroupSpecs"]
    for group in (head, workers):
        (container,) = group["template"]["spec"]["containers"]
        assert expanded(container["env"]) == AWKWARD


class Cluster(BaseHTTPRequestHandler):
    """Stands for a cluster's API server."""

    answers: ClassVar[dict[str, tuple[int, dict[str, Any]]]] = {}

    def do_GET(self) -> None:
        code, content = self.answers.get(self.path, (404, {"reason": "NotFound"}))
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: Any) -> None:
        """Say nothing."""


VERSION = dict.fromkeys(
    ("buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"), ""
) | {"gitVersion": "v1.33.1", "major": "1", "minor": "33"}


def groups_of(*names: str) -> dict[str, Any]:
    versions = [{"groupVersion": "x/v1", "version": "v1"}]
    return {"groups": [{"name": name, "versions": versions} for name in names]}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[dict[str, tuple[int, dict[str, Any]]]]:
    """What the cluster answers; it has KubeRay's operator and the namespace `team`."""
    Cluster.answers.clear()
    Cluster.answers.update(
        {
            "/version/": (200, VERSION),
            "/apis/": (200, groups_of("apps", "ray.io")),
            "/api/v1/namespaces/team": (200, {"metadata": {"name": "team"}}),
        }
    )
    server = HTTPServer(("127.0.0.1", 0), Cluster)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    (tmp_path / "kubeconfig").write_text(KUBECONFIG.replace("http://127.0.0.1:1", address))
    yield Cluster.answers
    server.shutdown()
    thread.join()
    server.server_close()


def states(name: str) -> dict[str, tuple[str, str]]:
    return {check.name: (check.state, check.says) for check in check_profile(load_profile(name))}


@pytest.mark.usefixtures("cluster")
def test_a_cluster_that_can_be_used_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert states("kuberay")["kubectl"][0] == "failed"
    write_tools(tmp_path)
    found = states("kuberay")
    assert found["kubectl"] == ("ok", "It is installed.")
    assert found["cluster"] == ("ok", "Kubernetes v1.33.1 answers.")
    assert found["operator"] == ("ok", "The cluster has the KubeRay operator.")
    assert found["namespace"] == ("ok", "team is there.")


def test_what_a_cluster_lacks_is_named(
    cluster: dict[str, tuple[int, dict[str, Any]]],
) -> None:
    del cluster["/api/v1/namespaces/team"]
    found = states("kubeflow")
    assert found["operator"][0] == "failed"
    assert found["namespace"] == ("failed", "There is no namespace team.")
    cluster["/api/v1/namespaces/team"] = (403, {})
    assert states("kubeflow")["namespace"][0] == "unknown"
    cluster["/version/"] = (401, {})
    assert states("kubeflow")["login"][0] == "failed"


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert states("kuberay")["cluster"][0] == "failed"
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", "/nowhere")
    assert states("kuberay")["login"][0] == "failed"
