"""Logins of W&B and the Hugging Face Hub, which reach the jobs of every executor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kubernetes.config import kube_config

from nemo_runspec.execution import build_executor
from nemo_runspec.execution.nemo_run.start import give_secrets

PROFILES = Path(__file__).parent / "profiles.toml"
EXECUTORS = ("docker", "dgxcloud", "lepton", "kubeflow", "kuberay", "skypilot")
LOGINS = {"WANDB_API_KEY": "0123456789abcdef" * 3, "HF_TOKEN": "hf_" + "a1B2" * 8}
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
    """Somebody who is logged in with the programs of both, and no variable that says so."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    monkeypatch.setattr(kube_config, "KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
    for name in (*LOGINS, "HF_HOME", "HF_TOKEN_PATH", "XDG_CACHE_HOME", "NETRC", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DGX_CLIENT_SECRET", "s3cret")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NEMOTRON_ENV", str(PROFILES))
    key = LOGINS["WANDB_API_KEY"]
    (tmp_path / ".netrc").write_text(f"machine api.wandb.ai login user password {key}\n")
    (tmp_path / ".netrc").chmod(0o600)
    (tmp_path / ".cache/huggingface").mkdir(parents=True)
    (tmp_path / ".cache/huggingface/token").write_text(LOGINS["HF_TOKEN"])
    monkeypatch.chdir(tmp_path)


def given_to(executor: Any) -> dict[str, str]:
    """The variables that an executor hands to its engine, wherever it keeps them."""
    more = (getattr(executor, "custom_spec", None) or {}).get("environmentVariables", ())
    listed = [*getattr(executor, "env_list", ()), *more]
    return {**executor.env_vars, **{item["name"]: item["value"] for item in listed}}


@pytest.mark.parametrize("name", ["local", "slurm", *EXECUTORS])
def test_logins_reach_jobs_of_executors_that_users_build(name: str) -> None:
    no_startup = {"startup_commands": []} if name == "docker" else {}
    found = given_to(build_executor(name, **no_startup))
    assert {key: found.get(key) for key in LOGINS} == LOGINS


@pytest.mark.parametrize("name", EXECUTORS)
def test_logins_reach_jobs_that_the_command_starts(name: str) -> None:
    no_startup = {"startup_commands": []} if name == "docker" else {}
    executor = build_executor(name, env_vars={}, **no_startup)
    assert not set(LOGINS) & set(given_to(executor))

    give_secrets(name, executor, LOGINS)

    found = given_to(executor)
    assert {key: found.get(key) for key in LOGINS} == LOGINS
