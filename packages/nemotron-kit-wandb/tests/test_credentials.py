from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys

import pytest

from nemo_runspec.artifacts.backends import EnvironmentBackend
from nemotron_kit_wandb import (
    ApiKey,
    WandbConfig,
    WandbCredentialsError,
    find_api_key,
    wandb_env,
)
from nemotron_kit_wandb.backend import BACKEND

KEY = "k" * 40
OTHER = "o" * 40
CONFIG = WandbConfig(project="nemotron", entity="my-team")


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def put_netrc(home, machine, key=KEY, name=".netrc"):
    file = home / name
    file.write_text(f"machine {machine}\n  login user\n  password {key}\n", "utf-8")
    file.chmod(0o600)
    return file


def put_settings(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings").write_text(f"[default]\n{text}\n", "utf-8")


def test_the_environment_comes_first(home, monkeypatch):
    put_netrc(home, "api.wandb.ai", OTHER)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert find_api_key() == ApiKey(KEY, "WANDB_API_KEY", "https://api.wandb.ai")


def test_netrc_is_next(home):
    file = put_netrc(home, "api.wandb.ai")
    assert find_api_key() == ApiKey(KEY, str(file), "https://api.wandb.ai")


def test_netrc_has_another_name(home, tmp_path, monkeypatch):
    put_netrc(home, "api.wandb.ai", OTHER, name="_netrc")
    assert find_api_key().value == OTHER
    file = put_netrc(tmp_path, "api.wandb.ai", name="keys")
    monkeypatch.setenv("NETRC", str(file))
    assert find_api_key().value == KEY


@pytest.mark.parametrize(
    ("machine", "found"),
    [("localhost:8080", True), ("localhost", False), ("localhost:9090", False)],
)
def test_netrc_names_the_port(home, monkeypatch, machine, found):
    put_netrc(home, machine)
    monkeypatch.setenv("WANDB_BASE_URL", "http://localhost:8080/")
    assert (find_api_key() is not None) is found


def test_the_settings_of_the_client_name_the_server(home, tmp_path):
    put_settings(tmp_path / "wandb_config_dir", "base_url = https://wandb.example.com:8443")
    put_netrc(home, "wandb.example.com:8443")
    assert find_api_key().server == "https://wandb.example.com:8443"


def test_the_settings_of_the_folder_win(home, tmp_path):
    put_settings(tmp_path / "wandb_config_dir", "base_url = https://far.example.com")
    put_settings(tmp_path / "wandb_dir" / "wandb", "base_url = https://near.example.com")
    put_netrc(home, "near.example.com")
    assert find_api_key().server == "https://near.example.com"


def test_the_settings_may_hold_the_key(home, tmp_path):
    put_settings(tmp_path / "wandb_config_dir", f"api_key = {KEY}")
    assert find_api_key().value == KEY


def test_nothing_anywhere_is_no_key(home):
    assert find_api_key() is None
    assert wandb_env() == {}


def test_an_environment_that_is_given_is_the_only_one(home, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", OTHER)
    assert find_api_key({"WANDB_API_KEY": KEY, "HOME": str(home)}).value == KEY
    assert find_api_key({"HOME": str(home)}) is None


@pytest.mark.parametrize("content", ["machine", 'machine a password "open', "\x00\x01"])
def test_a_netrc_that_is_none_is_passed_over(home, caplog, content):
    (home / ".netrc").write_text(content, "utf-8")
    with caplog.at_level(logging.WARNING):
        assert find_api_key() is None


def test_a_netrc_that_cannot_be_parsed_is_told_without_its_text(home, caplog):
    file = home / ".netrc"
    file.write_text(f"machine a login b password {KEY}\nnonsense {KEY}\n", "utf-8")
    file.chmod(0o600)
    with caplog.at_level(logging.WARNING):
        assert find_api_key() is None
    assert "cannot be read for W&B (NetrcParseError)" in caplog.text
    assert KEY not in caplog.text


def test_settings_that_cannot_be_parsed_are_passed_over(home, tmp_path, caplog):
    folder = tmp_path / "wandb_config_dir"
    (folder / "settings").write_text("no section", "utf-8")
    with caplog.at_level(logging.WARNING):
        assert find_api_key() is None
    assert "cannot be read (MissingSectionHeaderError)" in caplog.text


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("short", "WANDB_API_KEY: The W&B API key has 5 characters; keys have 40 or more"),
        ("local-short", "has 5 characters"),
        ("k" * 40 + " ", "other characters than letters"),
        ("${WANDB_API_KEY}", "other characters than letters"),
    ],
)
def test_a_key_that_cannot_be_one(home, monkeypatch, key, message):
    monkeypatch.setenv("WANDB_API_KEY", key)
    with pytest.raises(WandbCredentialsError, match=message) as caught:
        wandb_env(CONFIG)
    assert "wandb login" in str(caught.value)
    assert key not in str(caught.value)


@pytest.mark.parametrize("key", ["local-" + KEY, "k" * 86, "head.payload.signature"])
def test_every_form_of_a_key(home, monkeypatch, key):
    monkeypatch.setenv("WANDB_API_KEY", key)
    assert find_api_key().value == key


def test_a_job_gets_what_it_needs(home, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_env(CONFIG) == {
        "WANDB_API_KEY": KEY,
        "WANDB_PROJECT": "nemotron",
        "WANDB_ENTITY": "my-team",
    }
    monkeypatch.setenv("WANDB_BASE_URL", "http://wandb.example.com:8080/")
    assert wandb_env(WandbConfig(project="nemotron")) == {
        "WANDB_API_KEY": KEY,
        "WANDB_PROJECT": "nemotron",
        "WANDB_BASE_URL": "http://wandb.example.com:8080",
    }


def test_no_text_shows_the_key(home, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    env = wandb_env(CONFIG)
    for text in (repr(env), str(env), f"{env}", f"{env!r}", repr(find_api_key())):
        assert KEY not in text
    assert "nemotron" in repr(env)
    assert dict(env)["WANDB_API_KEY"] == KEY
    assert dataclasses.asdict(find_api_key())["value"] == KEY


def test_a_missing_key_names_the_cure(home):
    message = "No W&B API key was found for https://api.wandb.ai. Run `wandb login`, or set"
    with pytest.raises(WandbCredentialsError, match=message):
        wandb_env(CONFIG)


def test_a_missing_project_names_the_cure(home, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with pytest.raises(WandbCredentialsError, match=r"env.toml \[wandb\]: The project is missing"):
        wandb_env(WandbConfig(entity="my-team"))


def test_a_key_without_a_section_warns(home, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with caplog.at_level(logging.WARNING):
        assert wandb_env() == {"WANDB_API_KEY": KEY}
    assert "env.toml has no [wandb] section" in caplog.text
    assert KEY not in caplog.text


def test_with_a_section_nothing_warns(home, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    with caplog.at_level(logging.WARNING):
        wandb_env(CONFIG)
    assert caplog.text == ""


def test_looking_for_a_key_imports_no_wandb():
    script = (
        "import sys\n"
        "from nemotron_kit_wandb import check_wandb_access, find_api_key, wandb_env\n"
        "wandb_env(); find_api_key()\n"
        "sys.exit('wandb' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_job_gets_what_is_known_and_no_server_is_asked(home, monkeypatch):
    put_netrc(home, "wandb.example.com")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.com")
    environ = {**os.environ, "WANDB_MODE": "offline"}
    found = BACKEND.job_environment({"project": "nemotron", "entity": None}, environ)
    assert isinstance(BACKEND, EnvironmentBackend)
    assert found == {
        "WANDB_API_KEY": KEY,
        "WANDB_BASE_URL": "https://wandb.example.com",
        "WANDB_MODE": "offline",
        "WANDB_PROJECT": "nemotron",
    }
    assert KEY not in f"{found} {found!r}"


def test_a_key_that_cannot_be_one_is_not_given_to_a_job(home, caplog):
    found = BACKEND.job_environment({}, {**os.environ, "WANDB_API_KEY": "short"})
    assert "WANDB_API_KEY" not in found
    assert "cannot be one" in caplog.text
    assert "short" not in caplog.text
