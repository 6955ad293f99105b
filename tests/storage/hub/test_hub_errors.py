from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import READER, FakeHub

from nemo_runspec.artifacts import Lineage, ModelArtifact
from nemo_runspec.errors import ArtifactNotFoundError, MissingDependencyError, StoreError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.files.hub import HubFiles
from nemo_runspec.manifest_tracker.files.hub_patience import Patience

HASTY = Patience(reply_s=0.2, tries=2, pause_s=0.001)
MODEL = ModelArtifact(path=Path("/checkpoints"), step=1)


def log(root: str) -> str:
    return ManifestTracker(root).log(MODEL, name="model", lineage=Lineage()).ref


def test_an_empty_repository_holds_no_artifacts(hub: FakeHub) -> None:
    tracker = ManifestTracker("hf://team/artifacts")
    assert tracker.names() == []
    with pytest.raises(ArtifactNotFoundError, match="holds no artifacts yet"):
        tracker.resolve("model")


@pytest.mark.parametrize("root", ["hf://team/missing", "hf://team/missing/manifests"])
def test_a_missing_repository_is_not_created(hub: FakeHub, root: str) -> None:
    for look in (ManifestTracker(root).names, lambda: log(root)):
        with pytest.raises(StoreError, match="no model repository") as caught:
            look()
        assert f"{hub.url}/team/missing" in str(caught.value)
        assert "hf repos create team/missing --private" in str(caught.value)
    assert set(hub.repos) == {("models", "team/artifacts")}


def test_a_missing_dataset_repository(hub: FakeHub) -> None:
    with pytest.raises(StoreError, match="hf repos create team/data --repo-type dataset"):
        log("hf://datasets/team/data")


def test_nobody_is_logged_in(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(StoreError, match=r"private and you are not logged in.*hf auth login"):
        log("hf://team/artifacts")


def test_a_public_repository_is_read_by_strangers(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    log("hf://team/artifacts")
    hub.repos["models", "team/artifacts"].private = False
    monkeypatch.delenv("HF_TOKEN")
    tracker = ManifestTracker("hf://team/artifacts")
    assert tracker.resolve("model").version == 1
    with pytest.raises(StoreError, match="hf auth login"):
        tracker.log(MODEL, name="model", lineage=Lineage())


def test_a_wrong_token_is_never_shown(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong_and_secret")
    with pytest.raises(StoreError, match=r"does not accept the token.*Check HF_TOKEN") as caught:
        log("hf://team/artifacts")
    chain = [caught.value, caught.value.__cause__, caught.value.__context__]
    assert "hf_wrong_and_secret" not in " ".join(map(repr, chain))


def test_a_token_that_only_reads(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    log("hf://team/artifacts")
    monkeypatch.setenv("HF_TOKEN", READER)
    assert ManifestTracker("hf://team/artifacts").resolve("model").version == 1
    with pytest.raises(StoreError, match=r"no permission.*token with write access") as caught:
        log("hf://team/artifacts")
    assert f"{hub.url}/team/artifacts" in str(caught.value)


def test_a_gated_repository(hub: FakeHub) -> None:
    hub.create("team/gated", gated=True)
    with pytest.raises(StoreError, match=r"team/gated is gated.*Ask for it on that page"):
        log("hf://team/gated")


def test_a_missing_branch(hub: FakeHub) -> None:
    with pytest.raises(StoreError, match="hf repos branch create team/artifacts dev"):
        log("hf://team/artifacts@dev")


def test_an_answer_that_is_none_of_these(hub: FakeHub) -> None:
    hub.refuse("commit", 413)
    with pytest.raises(StoreError, match=r"refused the request .*\(413\): told so by the test"):
        log("hf://team/artifacts")


def test_a_hub_that_is_out_of_order(hub: FakeHub) -> None:
    hub.refuse("resolve", 503, times=9)
    with pytest.raises(StoreError, match=r"out of order \(503\)"):
        HubFiles("hf://team/artifacts", HASTY).read("model/latest")


def test_a_server_that_is_no_hub(hub: FakeHub) -> None:
    hub.is_log_in_page = True
    tracker = ManifestTracker("hf://team/artifacts")
    for ask in (tracker.names, lambda: tracker.resolve("model"), lambda: log(tracker.root)):
        with pytest.raises(StoreError, match=r"answers with a page.*Check HF_ENDPOINT"):
            ask()


@pytest.fixture
def unused_port() -> Iterator[int]:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield reserved.getsockname()[1]


def test_a_server_that_refuses_connections(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"http://someone:secret@127.0.0.1:{unused_port}")
    files = HubFiles("hf://team/artifacts", HASTY)
    with pytest.raises(StoreError, match="does not answer at") as caught:
        files.publish("model/v1/manifest.json", b"{}", {})
    assert f"http://127.0.0.1:{unused_port}/team/artifacts" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_server_that_accepts_and_says_nothing(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(StoreError, match=r"does not answer .*\(ReadTimeout\)"):
            HubFiles("hf://team/artifacts", HASTY).read("model/latest")


@pytest.mark.parametrize("endpoint", ["localhost:8080", "not a url", "http://[::1"])
def test_an_endpoint_that_is_no_url(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    with pytest.raises(StoreError, match="HF_ENDPOINT is no URL"):
        HubFiles("hf://team/artifacts", HASTY).read("model/latest")


def test_offline_is_one_sentence(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "from nemo_runspec.manifest_tracker import ManifestTracker\n"
        "from nemo_runspec.errors import StoreError\n"
        "try: ManifestTracker('hf://team/artifacts').resolve('model')\n"
        "except StoreError as error: print(error)\n"
    )
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=True, capture_output=True, text=True
    )
    assert "switched off by HF_HUB_OFFLINE. Unset HF_HUB_OFFLINE" in ran.stdout
    assert hub.served == {}


def test_the_package_is_missing(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'nemo-runspec\[hf\]'"):
        ManifestTracker("hf://team/artifacts")


@pytest.mark.parametrize(
    "root",
    [
        "hf://",
        "hf://gpt2",
        "hf://datasets/team",
        "hf://spaces/team/app",
        "hf://buckets/team/bucket",
        "hf://team/artifacts@/folder",
        "hf://team/art ifacts",
    ],
)
def test_a_root_that_is_no_repository(root: str) -> None:
    with pytest.raises(StoreError, match=r"no model or dataset repository.*hf://ORG/REPO"):
        ManifestTracker(root)


@pytest.mark.parametrize("folder", ["../up", "a/./b", "a//b"])
def test_a_folder_with_odd_parts(folder: str) -> None:
    with pytest.raises(StoreError, match="empty part, or one of dots"):
        ManifestTracker(f"hf://team/artifacts/{folder}")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("auth login", set()),
        ("repos create", {"--repo-type", "--private"}),
        ("repos branch create", {"--repo-type"}),
    ],
)
def test_the_commands_that_messages_name_exist(
    command: str, options: set[str], tmp_path: Path
) -> None:
    hf = Path(sys.executable).with_name("hf")
    environment = {"PATH": "/usr/bin:/bin", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    helped = subprocess.run(
        [hf, *command.split(), "--help"],
        check=True,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert options <= set(helped.stdout.replace(",", " ").split())
