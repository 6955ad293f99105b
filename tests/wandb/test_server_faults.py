"""Every fault of the test server, and what the unmodified client makes of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from urllib.parse import urlsplit

import pytest
import wandb
from wandb.sdk.artifacts.exceptions import WaitTimeoutError
from wandb_server import faults, picture
from wandb_server.fixtures import add_text, in_own_process


def artifact(content="x" * 1000):
    made = wandb.Artifact("data", "dataset")
    add_text(made, "content.txt", content)
    return made


def ask(server):
    """The status of one request, without the patience of the real client."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)
    query = json.dumps({"query": "query Viewer { viewer { id } }"})
    with contextlib.closing(connection):
        connection.request("POST", "/graphql", query)
        reply = connection.getresponse()
        with reply:
            reply.read()
        return reply.status


def the_only_version(server):
    (told,) = server.state.artifacts()
    assert told.ref == "data:v0"
    return told


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("UpsertBucket", 503),
        ("CreateArtifact", 429),
        ("CreateArtifactFiles", 500),
        ("upload_artifact", 502),
        ("upload_manifest", 503),
        ("CommitArtifact", 504),
    ],
)
def test_what_a_server_may_get_over_is_tried_again(server, name, status):
    planned = server.faults.plan(faults.status(status), name)
    with wandb.init(project="nemotron") as run:
        run.log_artifact(artifact()).wait(60)
    assert planned.happened == 1
    assert [item.status for item in server.served if item.name == name][:2] == [status, 200]
    assert the_only_version(server).created_by.name == run.id


@pytest.mark.parametrize("status", [400, 403, 409])
def test_what_the_client_gets_wrong_is_not_tried_again(server, status):
    server.faults.plan(faults.status(status, "no such luck"), "CreateArtifact", times=None)
    with (
        wandb.init(project="nemotron") as run,
        pytest.raises(ValueError, match=f"{status}.*no such luck"),
    ):
        run.log_artifact(artifact()).wait(60)
    assert server.count("CreateArtifact") == 1
    assert not list(server.state.artifacts())


@pytest.mark.parametrize("fault", [faults.drop_request, faults.cut_request])
@pytest.mark.parametrize("name", ["upload_artifact", "upload_manifest"])
def test_an_upload_that_breaks_off_leaves_nothing_half(server, name, fault):
    planned = server.faults.plan(fault, name)
    with wandb.init(project="nemotron") as run:
        run.log_artifact(artifact()).wait(60)
    assert (planned.happened, server.count(name)) == (1, 2)
    the_only_version(server)
    assert [blob.content for blob in server.state.blobs.values()] == [b"x" * 1000]


@pytest.mark.parametrize("name", ["CreateArtifact", "CreateArtifactManifest", "CommitArtifact"])
def test_a_lost_reply_doubles_no_version(server, name):
    planned = server.faults.plan(faults.drop_reply, name)
    with wandb.init(project="nemotron") as run:
        run.log_artifact(artifact()).wait(60)
    assert planned.happened == 1
    told = the_only_version(server)
    assert run.id == told.created_by.name


def test_a_reply_that_breaks_off_is_not_asked_for_again(server):
    """The client says that it failed, and the server has the version all the same."""
    server.faults.plan(faults.cut_reply, "CommitArtifact")
    with wandb.init(project="nemotron") as run, pytest.raises(ValueError, match="EOF"):
        run.log_artifact(artifact()).wait(60)
    assert server.count("CommitArtifact") == 1
    the_only_version(server)


def test_a_lost_reply_doubles_no_run_and_no_record(server):
    server.faults.plan(faults.drop_reply, "UpsertBucket")
    stream = server.faults.plan(faults.drop_reply, "file_stream")
    with wandb.init(project="nemotron") as run:
        run.log({"loss": 2.0})
        server.wait_until(lambda: stream.happened == 1)
        run.log({"loss": 1.0})
    (told,) = server.state.runs()
    assert told.name == run.id
    assert [record["loss"] for record in told.history] == [2.0, 1.0]


def test_a_lost_use_is_one_edge(server):
    with wandb.init(project="nemotron") as run:
        run.log_artifact(artifact()).wait(60)
    server.faults.plan(faults.drop_reply, "UseArtifact")
    with wandb.init(project="nemotron") as user:
        user.use_artifact("data:v0")
    assert [item.name for item in the_only_version(server).used_by] == [user.id]


def test_a_reply_may_come_late(server):
    delay = faults.delay(0.3)
    planned = server.faults.plan(delay, "CreateArtifact")
    with wandb.init(project="nemotron") as run:
        run.log_artifact(artifact()).wait(60)
    assert planned.happened == 1
    the_only_version(server)


def test_a_held_request_waits_until_it_is_let_go(server):
    hold = faults.Hold()
    server.faults.plan(hold, "CommitArtifact")
    with wandb.init(project="nemotron") as run:
        logged = run.log_artifact(artifact())
        assert hold.reached.wait(60)
        with pytest.raises(WaitTimeoutError, match="timed out"):
            logged.wait(1)
        assert picture.take(server.state).pending == ("data",)
        hold.release()
    the_only_version(server)


def test_a_fault_befalls_what_it_names_as_often_as_it_says(server):
    planned = server.faults.plan(faults.status(500), "Other", "Viewer", times=2)
    assert [ask(server) for _ in range(3)] == [500, 500, 401]
    assert (planned.happened, planned.left) == (2, 0)


def test_a_fault_without_a_name_befalls_all_until_it_is_healed(server):
    server.faults.plan(faults.status(503), times=None)
    assert [ask(server) for _ in range(2)] == [503, 503]
    server.faults.heal()
    assert ask(server) == 401


def test_a_cut_reply_is_shorter_than_it_says(server):
    server.faults.plan(faults.cut_reply, "Viewer")
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        ask(server)


def test_a_server_that_is_down_refuses_connections(server):
    server.down()
    address = urlsplit(server.url)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address.hostname, address.port))
    server.up()
    assert ask(server) == 401


def test_a_server_that_goes_down_resets_what_is_open(server):
    hold = faults.Hold()
    server.faults.plan(hold, "Viewer")
    failures = []

    def wait():
        try:
            ask(server)
        except ConnectionError as error:
            failures.append(error)

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert hold.reached.wait(60)
    server.down()
    waiting.join(60)
    assert failures


DOWN_FROM_THE_START = """
import json, os, wandb
try:
    wandb.init(project="nemotron", settings=wandb.Settings(init_timeout=1))
except Exception as error:
    print(json.dumps([type(error).__name__, str(error)]), flush=True)
os._exit(0)  # the client would go on trying
"""


def test_a_server_that_is_down_from_the_start_starts_no_run(server):
    server.down()
    done = in_own_process(DOWN_FROM_THE_START)
    kind, message = json.loads(done.stdout.splitlines()[-1])
    assert kind == "CommError"
    assert "timed out" in message.lower()


def test_a_server_that_comes_back_gets_everything(server):
    with wandb.init(project="nemotron", config={"lr": 1}) as run:
        run.log({"loss": 2.0})
        server.down()
        run.log({"loss": 1.0})
        run.summary["note"] = "said to nobody"
        server.up()
        assert run.log_artifact(artifact()).wait(60).version == "v0"
    seen = picture.take(server.state)
    told = seen.runs[f"team/nemotron/{run.id}"]
    assert told.history == ({"loss": 2.0}, {"loss": 1.0})
    assert told.summary["note"] == "said to nobody"
    assert (told.state, told.outputs) == ("finished", {"team/nemotron/data:v0"})


def test_a_server_that_goes_down_during_an_upload_gets_it_when_it_is_back(server):
    hold = faults.Hold()
    server.faults.plan(hold, "upload_artifact")
    with wandb.init(project="nemotron") as run:
        logged = run.log_artifact(artifact())
        assert hold.reached.wait(60)
        server.down()
        hold.release()
        assert picture.take(server.state).artifacts == {}
        server.up()
        assert logged.wait(60).version == "v0"
    the_only_version(server)


def test_two_histories_of_faults_end_in_the_same_picture(server):
    def tell(run_id):
        with wandb.init(project="nemotron", id=run_id, config={"lr": 1}, tags=["a"]) as run:
            run.log({"loss": 1.0})
            run.log_artifact(artifact()).wait(60)

    tell("same")
    calm = picture.take(server.state)
    server.state.projects.clear()
    server.state.blobs.clear()
    for name in ("UpsertBucket", "CreateArtifact", "CommitArtifact", "file_stream"):
        server.faults.plan(faults.drop_reply, name)
        server.faults.plan(faults.status(500), name)
    tell("same")
    assert picture.take(server.state) == calm
