"""Executors of Kubernetes clusters built from profiles, and the bodies that NeMo-Run makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rendering.golden import as_json, matches
from rendering.variables import AWKWARD, environment_of

from nemo_runspec.errors import ProfileError
from nemo_runspec.execution import build_executor

kube_config = pytest.importorskip("kubernetes.config.kube_config")

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
    found = environment_of(script.replace(executor.code_dir, str(code_dir)), tmp_path, pod)
    assert {name: found.get(name) for name in AWKWARD} == AWKWARD


def test_a_ray_cluster_of_kuberay_has_exact_variables() -> None:
    body = build_executor("kuberay", env_vars=AWKWARD).get_cluster_body("golden")
    assert matches(GOLDEN / "kuberay_request.json", as_json(body))
    head = body["spec"]["headGroupSpec"]
    (workers,) = body["spec"]["workerGroupSpecs"]
    for group in (head, workers):
        (container,) = group["template"]["spec"]["containers"]
        assert expanded(container["env"]) == AWKWARD
