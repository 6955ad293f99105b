"""Keys, entities, and requests that the test server refuses; as the client words them."""

from __future__ import annotations

import json
import os
import socket

import pytest
import wandb
from wandb_server.fixtures import in_own_process

REPORT = """
import json, os, wandb
try:
    {}
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]), flush=True)
os._exit(0)
"""
INIT = "wandb.init(project='nemotron', entity=os.environ.get('ENTITY'))"
ASK = "wandb.Api().artifact('team/nemotron/data:v0')"


def failure(what, **environment):
    """The name of the exception and its text, from a process of its own."""
    done = in_own_process(REPORT.format(what), **environment)
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("entity", ["", "team"])
def test_a_wrong_key_starts_no_run(server, entity):
    kind, message = failure(INIT, WANDB_API_KEY="b" * 40, WANDB_ENTITY=entity)
    assert kind == "CommError"
    assert "user is not logged in" in message
    assert {item.status for item in server.served} == {401}
    assert not server.state.projects


def test_a_wrong_key_reads_nothing(server):
    kind, message = failure(ASK, WANDB_API_KEY="b" * 40)
    assert kind == "AuthenticationError"
    assert "verify" in message


@pytest.mark.parametrize("what", [INIT, ASK])
def test_a_short_key_is_not_even_sent(server, what):
    kind, message = failure(what, WANDB_API_KEY="short")
    assert kind == "AuthenticationError"
    assert "WANDB_API_KEY invalid: API key must have 40+ characters, has 5." in message
    assert server.served == []


@pytest.mark.parametrize("what", [INIT, ASK])
def test_no_key(server, monkeypatch, what):
    monkeypatch.delenv("WANDB_API_KEY")
    assert failure(what) == [
        "UsageError",
        "No API key configured. Use `wandb login` to log in.",
    ]
    assert server.served == []


def test_a_key_of_netrc_is_found_by_host_and_port(server, own_world, monkeypatch):
    host = server.url.removeprefix("http://")
    key = os.environ["WANDB_API_KEY"]
    monkeypatch.delenv("WANDB_API_KEY")
    netrc = own_world / "home" / ".netrc"
    netrc.write_text(f"machine {host}\n  login user\n  password {key}\n", "utf-8")
    netrc.chmod(0o600)
    with wandb.init(project="nemotron") as run:
        pass
    assert run.id in server.state.projects["team", "nemotron"].runs


def test_a_key_of_netrc_for_the_host_alone_is_not_found(server, own_world, monkeypatch):
    key = os.environ["WANDB_API_KEY"]
    monkeypatch.delenv("WANDB_API_KEY")
    netrc = own_world / "home" / ".netrc"
    netrc.write_text(f"machine 127.0.0.1\n  login user\n  password {key}\n", "utf-8")
    netrc.chmod(0o600)
    kind, _ = failure(INIT)
    assert kind == "UsageError"


def test_an_entity_that_does_not_exist(server):
    kind, message = failure(INIT, ENTITY="strangers")
    assert kind == "CommError"
    assert "entity strangers not found during upsertBucket" in message


def test_the_entity_of_others_is_forbidden(server):
    server.state.add_user("bob", "b" * 40, "others")
    kind, message = failure(INIT, ENTITY="others")
    assert kind == "CommError"
    assert "permission denied" in message


def test_the_projects_of_others_are_not_seen(server):
    key = "b" * 40
    server.state.add_user("bob", key, "others")
    with wandb.init(project="nemotron", entity="team") as run:
        run.log_artifact(wandb.Artifact("data", "dataset")).wait(60)
    kind, message = failure(ASK, WANDB_API_KEY=key)
    assert kind == "CommError"
    assert "project 'nemotron' not found" in message


def test_what_the_server_does_not_know_fails_the_test(server):
    with wandb.init(project="nemotron"):
        pass
    _, message = failure("list(wandb.Api().reports('team/nemotron'))")
    assert "400" in message or "the test server does not know this" in message
    assert server.unexpected == ['ProjectViews: Cannot query field "allViews" on type "Project".']
    server.unexpected.clear()


def test_a_client_that_is_ended_in_the_middle_of_a_request_is_no_unknown_one(server):
    begun = b"POST /graphql HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\n{"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(begun)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert not server.unexpected
