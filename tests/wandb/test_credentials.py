"""What a job needs is found where the client finds it; access is checked before it is sent off."""

from __future__ import annotations

import http.server
import logging
import os
import threading

import pytest
import wandb
from wandb_server import faults
from wandb_server.fixtures import end_client
from wandb_server.server import KEY

from nemotron_kit_wandb import (
    WandbConfig,
    WandbCredentialsError,
    check_wandb_access,
    find_api_key,
    wandb_env,
)

CONFIG = WandbConfig(project="nemotron", entity="team")


def client_key():
    """The key that the client itself finds; None where it finds none."""
    try:
        return wandb.Api().api_key
    except wandb.errors.UsageError:
        return None
    finally:
        end_client()


def put_netrc(home, machine):
    file = home / ".netrc"
    file.write_text(f"machine {machine}\n  login user\n  password {KEY}\n", "utf-8")
    file.chmod(0o600)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("place", ["environment", "netrc", "host alone", "settings", "nowhere"])
def test_the_client_finds_the_same_key(server, own_world, monkeypatch, place):
    if place != "environment":
        monkeypatch.delenv("WANDB_API_KEY")
    host = server.url.removeprefix("http://")
    if place in {"netrc", "settings"}:
        put_netrc(own_world / "home", host)
    if place == "host alone":
        put_netrc(own_world / "home", host.partition(":")[0])
    if place == "settings":
        monkeypatch.delenv("WANDB_BASE_URL")
        settings = own_world / "wandb_config_dir" / "settings"
        settings.write_text(f"[default]\nbase_url = {server.url}\n", "utf-8")
    found = find_api_key()
    assert (found.value if found else None) == client_key()
    assert (found is None) is (place in {"host alone", "nowhere"})
    if found:
        assert found.server == server.url


def test_the_variables_are_all_that_a_job_needs(server, own_world, monkeypatch):
    variables = wandb_env(CONFIG)
    for name in [name for name in os.environ if name in {*variables, "WANDB_BASE_URL"}]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with wandb.init() as run:
        pass
    assert run.id in server.state.projects["team", "nemotron"].runs


@pytest.mark.parametrize("entity", [None, "ada", "team", "research"])
def test_who_may_pass_passes(server, caplog, entity):
    with caplog.at_level(logging.WARNING):
        check_wandb_access(WandbConfig(project="nemotron", entity=entity))
    assert caplog.text == ""
    assert [item.name for item in server.served] == ["Viewer"]


def test_a_key_that_the_server_does_not_know(server, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "b" * 40)
    message = "does not know the API key. Run `wandb login --relogin`"
    with pytest.raises(WandbCredentialsError, match=message) as caught:
        check_wandb_access(CONFIG)
    assert "b" * 40 not in str(caught.value)


@pytest.mark.parametrize(
    ("entity", "hint"), [("taem", "Did you mean 'team'"), ("strangers", "ada, research, team")]
)
def test_an_entity_that_is_not_the_users(server, entity, hint):
    with pytest.raises(
        WandbCredentialsError, match=f"The W&B user ada is in no entity '{entity}'.*{hint}"
    ):
        check_wandb_access(WandbConfig(project="nemotron", entity=entity))


def test_a_missing_project_is_found_without_asking(server):
    with pytest.raises(WandbCredentialsError, match="The project is missing"):
        check_wandb_access(WandbConfig(entity="team"))
    assert server.served == []


def test_a_server_that_is_down_is_no_reason_to_stop(server, caplog):
    server.down()
    with caplog.at_level(logging.WARNING):
        check_wandb_access(CONFIG)
    assert f"W&B at {server.url} cannot be asked (Connection refused)" in caplog.text
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (faults.status(503), "answers 503"),
        (faults.status(200), "cannot be asked (KeyError)"),
        (faults.drop_reply, "cannot be asked (RemoteDisconnected)"),
        (faults.cut_reply, "cannot be asked"),
    ],
)
def test_a_server_that_answers_nonsense_is_no_reason_to_stop(server, caplog, fault, message):
    server.faults.plan(fault)
    with caplog.at_level(logging.WARNING):
        check_wandb_access(CONFIG)
    assert message in caplog.text


def test_a_slow_server_is_not_waited_for(server, caplog):
    hold = faults.Hold()
    server.faults.plan(hold, "Viewer")
    with caplog.at_level(logging.WARNING):
        check_wandb_access(CONFIG, timeout_s=0.2)
    assert "cannot be asked (no answer in time)" in caplog.text
    hold.release()


def test_the_key_follows_no_redirect(server, monkeypatch, caplog):
    seen = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            seen.append(self.headers["Authorization"])
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response_only(302)
            self.send_header("Location", f"{server.url}/graphql")
            self.send_header("Content-Length", "0")
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as elsewhere:
        serving = threading.Thread(target=elsewhere.serve_forever, args=(0.01,))
        serving.start()
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{elsewhere.server_port}")
        with caplog.at_level(logging.WARNING):
            check_wandb_access(CONFIG)
        elsewhere.shutdown()
        serving.join()
    assert len(seen) == 1
    assert server.served == []
    assert "answers 302" in caplog.text
