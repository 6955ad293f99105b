from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fake_hub import FakeHub, Repo

from nemo_runspec.artifacts import Lineage, ModelArtifact
from nemo_runspec.artifacts.tracker import LoggedArtifact
from nemo_runspec.errors import StoreError, UnknownOutcomeError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.files.hub import HubFiles
from nemo_runspec.manifest_tracker.files.hub_patience import Patience

REPO = "team/artifacts"
HASTY = Patience(tries=3, conflicts=3, pause_s=0.001, conflict_pause_s=0.001)


def log(root: str, step: int = 1, name: str = "model") -> LoggedArtifact:
    artifact = ModelArtifact(path=Path("/checkpoints"), step=step)
    return ManifestTracker(root).log(artifact, name=name, lineage=Lineage())


def repository(hub: FakeHub) -> Repo:
    return hub.repos["models", REPO]


def files(hub: FakeHub) -> dict[str, bytes]:
    return repository(hub).at("main").tree


def test_a_version_is_one_commit_of_three_files(hub: FakeHub, root: str) -> None:
    before = set(files(hub))
    assert log(root).ref == "model:v1"
    assert hub.summaries(REPO) == ["Add model/v1/manifest.json"]
    added = {path.removeprefix("manifests/model/") for path in set(files(hub)) - before}
    assert added == {"v1/manifest.json", "v1/metadata.json", "latest"}
    assert files(hub)["manifests/model/latest"] == b"v1"


def test_a_version_takes_three_requests_however_many_there_are(hub: FakeHub, root: str) -> None:
    for step in range(12):
        hub.served.clear()
        log(root, step)
        assert hub.served == {"resolve": 2, "commit": 1}


def test_latest_is_resolved_with_three_requests(hub: FakeHub, root: str) -> None:
    for step in range(5):
        log(root, step)
    hub.served.clear()
    assert ManifestTracker(root).resolve("model").version == 5
    assert hub.served == {"resolve": 3}


def test_a_concrete_version_is_resolved_with_two_requests(hub: FakeHub, root: str) -> None:
    for step in range(5):
        log(root, step)
    hub.served.clear()
    assert ManifestTracker(root).resolve("model:v3").value("step") == 2
    assert hub.served == {"resolve": 2}


def test_sixteen_racing_writers(hub: FakeHub, root: str) -> None:
    # How often they meet is a matter of chance, and of what else the machine does.
    assert any(refused_commits(hub, root, name) <= 3 for name in ("first", "second", "third"))


def refused_commits(hub: FakeHub, root: str, name: str) -> float:
    """Let threads race for versions, of which none is lost; return the refusals per version."""
    writers, each = 16, 2
    barrier = threading.Barrier(writers)
    hub.served.clear()
    before = len(hub.summaries(REPO))

    def write(writer: int) -> list[str]:
        barrier.wait()
        return [log(root, writer * 100 + n, name).ref for n in range(each)]

    with ThreadPoolExecutor(writers) as pool:
        refs = list(itertools.chain.from_iterable(pool.map(write, range(writers))))
    total = writers * each
    assert sorted(refs) == sorted(f"{name}:v{n + 1}" for n in range(total))
    made = [f"Add {name}/v{n + 1}/manifest.json" for n in range(total)]
    assert hub.summaries(REPO)[before:] == made
    return (hub.served["commit"] - total) / total


def test_a_commit_to_something_else_costs_another_try(hub: FakeHub, root: str) -> None:
    hub.before_commit = [lambda: repository(hub).commit("main", "README", {"README.md": b"#"})]
    assert log(root).ref == "model:v1"
    assert hub.summaries(REPO) == ["README", "Add model/v1/manifest.json"]
    assert hub.served["commit"] == 2


def test_a_version_taken_in_the_last_moment_stays_the_others(hub: FakeHub, root: str) -> None:
    hub.before_commit = [lambda: None, lambda: log(root, 7)]
    log(root, 6)
    assert log(root, 8).ref == "model:v3"
    tracker = ManifestTracker(root)
    steps = [tracker.resolve(f"model:v{n}").value("step") for n in (1, 2, 3)]
    assert steps == [6, 7, 8]


def test_a_commit_to_something_else_every_time_is_given_up(hub: FakeHub, root: str) -> None:
    def interfere() -> None:
        number = len(hub.summaries(REPO))
        repository(hub).commit("main", "noise", {"noise": str(number).encode()})

    hub.before_commit = [interfere] * 3
    with pytest.raises(StoreError, match="committed to the repository 3 times"):
        HubFiles(root, HASTY).publish("model/v1/manifest.json", b"{}", {})
    assert set(hub.summaries(REPO)) == {"noise"}


@pytest.mark.parametrize("status", [409, 412, 429, 500, 502, 503])
def test_a_hub_that_is_busy_is_asked_again(hub: FakeHub, root: str, status: int) -> None:
    hub.refuse("commit", status, times=2, Retry_After="0")
    assert HubFiles(root, HASTY).publish("model/v1/manifest.json", b"{}", {})
    assert hub.summaries(REPO) == ["Add model/v1/manifest.json"]
    assert hub.served["commit"] == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_read_of_a_busy_hub_is_tried_again(hub: FakeHub, root: str, status: int) -> None:
    log(root)
    hub.refuse("resolve", status, times=2, Retry_After="0")
    assert HubFiles(root, HASTY).read("model/latest") == b"v1"


@pytest.mark.parametrize(
    "limit", [{"Retry_After": "2400"}, {"RateLimit": '"api";r=0;t=2400', "Retry_After": "1"}]
)
def test_a_quota_that_is_used_up_for_long(hub: FakeHub, root: str, limit: dict[str, str]) -> None:
    hub.refuse("commit", 429, times=99, **limit)
    with pytest.raises(StoreError, match=r"no more requests.*Try again in 2400 seconds") as caught:
        log(root)
    assert f"{hub.url}/{REPO}" in str(caught.value)
    assert hub.served["commit"] == 1
    assert hub.summaries(REPO) == []


def test_a_quota_that_comes_back_is_waited_for(hub: FakeHub, root: str) -> None:
    hub.refuse("commit", 429, RateLimit='"api";r=0;t=1')
    assert log(root).ref == "model:v1"


def test_an_http_date_says_how_long_to_wait(hub: FakeHub, root: str) -> None:
    hub.refuse("commit", 429, Retry_After="Fri, 01 Jan 2199 00:00:00 GMT")
    with pytest.raises(StoreError, match=r"Try again in \d{9,} seconds"):
        log(root)


@pytest.mark.parametrize("after_work", [True, False])
@pytest.mark.parametrize("times", [1, 3])
def test_a_lost_reply_doubles_no_version(
    hub: FakeHub, root: str, times: int, *, after_work: bool
) -> None:
    hub.drop("commit", times=times, after_work=after_work)
    assert [log(root, step).ref for step in (1, 2, 3)] == ["model:v1", "model:v2", "model:v3"]
    assert hub.summaries(REPO) == [f"Add model/v{n}/manifest.json" for n in (1, 2, 3)]


def test_every_reply_to_a_commit_lost(hub: FakeHub, root: str) -> None:
    hub.drop("commit", times=99, after_work=True)
    assert [log(root, step).ref for step in (1, 2, 3)] == ["model:v1", "model:v2", "model:v3"]
    assert len(hub.summaries(REPO)) == 3


def test_no_commit_ever_arrives(hub: FakeHub, root: str) -> None:
    hub.drop("commit", times=99, after_work=False)
    with pytest.raises(StoreError, match=r"model:v1 may have been recorded.*has claim_id \w{32}"):
        log(root)
    assert hub.summaries(REPO) == []


def test_an_error_of_the_hub_after_it_made_the_commit(hub: FakeHub, root: str) -> None:
    hub.break_down_after("commit", 500)
    assert [log(root, step).ref for step in (1, 2)] == ["model:v1", "model:v2"]
    assert len(hub.summaries(REPO)) == 2


def test_a_hub_that_stays_broken_leaves_the_outcome_open(hub: FakeHub, root: str) -> None:
    hub.refuse("commit", 500, times=99)
    with pytest.raises(UnknownOutcomeError, match="failed while it made a commit"):
        HubFiles(root, HASTY).publish("model/v1/manifest.json", b"{}", {})


@pytest.mark.parametrize("after_work", [True, False])
def test_an_alias_moves_though_replies_are_lost(
    hub: FakeHub, root: str, *, after_work: bool
) -> None:
    log(root, 1)
    log(root, 2)
    tracker = ManifestTracker(root)
    tracker.set_alias("model", 1, "production")
    hub.drop("commit", times=2, after_work=after_work)
    tracker.set_alias("model", 2, "production")
    assert tracker.aliases("model") == {"production": 2}
    hub.drop("commit", times=2, after_work=after_work)
    tracker.remove_alias("model", "production")
    assert tracker.aliases("model") == {}


def test_what_is_there_already_is_not_committed_again(hub: FakeHub, root: str) -> None:
    log(root)
    tracker = ManifestTracker(root)
    tracker.set_alias("model", 1, "production")
    tracker.set_alias("model", 1, "production")
    tracker.files.remove("model/aliases/nothing")
    assert hub.summaries(REPO) == ["Add model/v1/manifest.json", "Set model/aliases/production"]


def test_a_version_is_withdrawn_and_restored(hub: FakeHub, root: str) -> None:
    log(root, 1)
    log(root, 2)
    tracker = ManifestTracker(root)
    tracker.withdraw("model", 2, reason="trained on the wrong split")
    assert ManifestTracker(root).resolve("model").version == 1
    tracker.restore("model", 2)
    assert ManifestTracker(root).resolve("model").version == 2
    assert "manifests/model/v2/withdrawn.json" not in files(hub)


def test_a_hint_that_is_far_behind(hub: FakeHub, root: str) -> None:
    for step in range(20):
        log(root, step)
    repository(hub).commit("main", "an older hint", {"manifests/model/latest": b"v1"})
    assert ManifestTracker(root).resolve("model").version == 20
    assert log(root, 20).ref == "model:v21"


def test_a_mirror_that_tells_the_commit_only_with_files(hub: FakeHub, root: str) -> None:
    hub.tells_head_of_missing = False
    assert [log(root, step).ref for step in (1, 2)] == ["model:v1", "model:v2"]
    assert len(hub.summaries(REPO)) == 2


def test_examination_finds_what_is_honoured_and_left_over(hub: FakeHub, root: str) -> None:
    dead = "manifests/.nemotron/probe-of-a-dead-writer"
    repository(hub).commit("main", "dead", {dead: b"probe"})
    report = HubFiles(root).examine()
    assert (report.publishing, report.create_only) == ("commit", True)
    assert report.leftovers == [f"hf://{REPO}/{dead}"]
    assert [path for path in files(hub) if "probe" in path] == [dead]


def test_examination_of_a_server_that_ignores_the_parent(hub: FakeHub, root: str) -> None:
    hub.honours_parent = False
    report = HubFiles(root).examine()
    assert not report.create_only
    assert report.leftovers == []
