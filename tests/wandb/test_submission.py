"""What W&B would refuse is told when a job is submitted, and the key is nowhere to be found."""

from __future__ import annotations

import hashlib
import json
import textwrap
from pathlib import Path

import pytest
from wandb_server.server import KEY

from nemotron.cli.main import main

RECIPE = """
# /// script
# dependencies = ["nemo-runspec"]
# [tool.runspec]
# schema = "1"
# name = "demo/data/prep/sft"
# docs = "Write a little data."
# ///
import hashlib, json, os
from pathlib import Path

from nemo_runspec.artifacts import SFTDataArtifact, log_artifact, setup_artifact_tracking
from nemo_runspec.config import load_omegaconf_yaml, parse_config_and_overrides

path, _ = parse_config_and_overrides()
setup_artifact_tracking(load_omegaconf_yaml(path))
folder = Path("output").absolute()
folder.mkdir(exist_ok=True)
seen = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
seen["key"] = hashlib.sha256(seen.pop("WANDB_API_KEY", "").encode()).hexdigest()
Path("seen.json").write_text(json.dumps(seen))
"""
COMMAND = ("demo", "data", "prep", "sft")
KEY_DIGEST = hashlib.sha256(KEY.encode()).hexdigest()
SECTION = '[wandb]\nproject = "nemotron"\nentity = "team"\n'


@pytest.fixture
def submit(own_world, capfd):
    """Run the command; return its exit code and all that it and its job said."""
    files = {
        "recipes/demo/prep.py": RECIPE,
        "recipes/demo/config/default.yaml": "pack_size: 64\n",
    }
    for name, text in files.items():
        file = own_world / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")

    def run(*words, env_toml=SECTION):
        (own_world / "env.toml").write_text(env_toml, "utf-8")
        code = main([*COMMAND, *words])
        said = capfd.readouterr()
        return code, said.out, said.err

    return run


def seen_by_the_job():
    return json.loads(Path("seen.json").read_text("utf-8"))


def files_with_the_key(folder):
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert files
    return [file for file in files if KEY.encode() in file.read_bytes()]


@pytest.mark.parametrize("mode", [(), ("--json",), ("--quiet",), ("--debug",)])
def test_the_job_gets_what_it_needs_and_nothing_shows_the_key(server, own_world, submit, mode):
    code, out, err = submit("+artifacts.wandb=true", *mode)
    assert code == 0, err
    assert KEY not in out + err
    seen = seen_by_the_job()
    assert seen["key"] == KEY_DIGEST
    assert (seen["WANDB_PROJECT"], seen["WANDB_ENTITY"]) == ("nemotron", "team")
    assert seen["WANDB_BASE_URL"] == server.url
    assert files_with_the_key(own_world) == []
    assert ("wandb:    " in out) is (mode in {(), ("--debug",)})


def test_the_panel_says_that_wandb_is_enabled(server, submit):
    _, out, _ = submit("+artifacts.wandb=true")
    assert any("wandb:" in line and line.endswith("enabled") for line in out.splitlines())
    _, out, _ = submit("+artifacts.wandb=false")
    assert any("wandb:" in line and line.endswith("off") for line in out.splitlines())


def test_a_key_in_netrc_reaches_the_job(server, own_world, submit, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY")
    host = server.url.removeprefix("http://")
    netrc = own_world / "home" / ".netrc"
    netrc.write_text(f"machine {host}\n  login user\n  password {KEY}\n", "utf-8")
    netrc.chmod(0o600)
    code, out, err = submit("+artifacts.wandb=true")
    assert code == 0, err
    assert seen_by_the_job()["key"] == KEY_DIGEST
    assert KEY not in out + err
    assert files_with_the_key(own_world) == [netrc]


@pytest.mark.parametrize("dry_run", [(), ("--dry-run",)])
@pytest.mark.parametrize(
    "case",
    [
        (None, SECTION, "error: No W&B API key was found for http://127."),
        ("k" * 12, SECTION, "error: The W&B API key has 12 characters; keys have 40 or more."),
        ("b" * 40, SECTION, "does not know the API key."),
        (KEY, "", "error: artifacts.wandb is true, and no W&B project is named."),
        (KEY, SECTION.replace("team", "taem"), "The W&B user ada is in no entity 'taem'."),
    ],
)
def test_what_would_stop_the_job_stops_the_command(server, submit, monkeypatch, case, dry_run):
    key, env_toml, message = case
    monkeypatch.delenv("WANDB_API_KEY")
    if key is not None:
        monkeypatch.setenv("WANDB_API_KEY", key)
    code, out, err = submit("+artifacts.wandb=true", *dry_run, env_toml=env_toml)
    assert code == 2
    assert message in err
    assert "hint: " in err
    assert key is None or key not in out + err
    assert not Path(".nemotron").exists()


def test_a_user_without_a_default_entity_is_told_which_there_are(server, submit):
    server.state.users[KEY].default_entity = ""
    code, _, err = submit("+artifacts.wandb=true", env_toml='[wandb]\nproject = "nemotron"\n')
    assert code == 2
    assert "error: The entity is missing: the W&B user ada has no default one.\n" in err
    assert 'hint: Add `entity = "NAME"`. It can be one of: ada, research, team.\n' in err


def test_beside_manifests_a_server_that_is_down_is_a_warning(server, submit, monkeypatch):
    server.down()
    monkeypatch.setenv("WANDB_MODE", "online")
    code, out, err = submit("+artifacts.wandb=true", "--dry-run")
    assert code == 0
    assert "wandb:    enabled, not reached: what is recorded is delivered later\n" in out
    assert err.startswith(
        f"warning: W&B at {server.url} cannot be asked (Connection refused). "
        "What is recorded waits in the run directory until `nemotron artifacts sync` delivers it.\n"
    )


def test_alone_a_server_that_is_down_stops_the_command(server, own_world, submit):
    server.down()
    words = ("+artifacts.wandb=true", "+artifacts.manifest.root=null")
    code, _, err = submit(*words)
    assert code == 1
    assert f"error: W&B at {server.url} cannot be asked (Connection refused).\n" in err
    assert "hint: Try again when it answers, or record manifests too: set artifacts.man" in err
    assert not (own_world / ".nemotron").exists()


def test_a_key_that_nobody_asked_for_is_a_hint_and_no_server_is_asked(server, submit):
    code, _, err = submit(env_toml="")
    assert code == 0
    assert err.count("warning: A W&B API key was found (WANDB_API_KEY), but env.toml has no") == 1
    assert KEY not in err
    assert server.served == []


@pytest.mark.parametrize("env_toml", [SECTION, "[artifacts]\nwandb = false\n"])
def test_who_said_what_they_want_gets_no_hint(server, submit, env_toml):
    code, _, err = submit(env_toml=env_toml)
    assert (code, err) == (0, "")
    assert server.served == []
    assert "WANDB_PROJECT" not in seen_by_the_job()
