"""The fake Hub answers the unmodified client as the Hub does."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_hub import FakeHub
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationDelete,
    HfApi,
    HfFileSystem,
    constants,
)
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from nemo_runspec.artifacts import Lineage, ModelArtifact
from nemo_runspec.manifest_tracker import ManifestTracker

REPO = "team/artifacts"


@pytest.fixture
def api(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HfApi:
    # What HF_ENDPOINT does in a process that starts with it.
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    downloads = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", downloads)
    if hasattr(constants, "AGENT_HARNESSES_PATH"):
        monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"))
    return HfApi(endpoint=hub.url)


def test_a_repository_is_created_and_committed_to(hub: FakeHub, api: HfApi) -> None:
    api.create_repo("team/new")
    head = api.repo_info("team/new").sha
    added = [CommitOperationAdd("a/b.txt", b"text"), CommitOperationAdd("c.txt", b"c")]
    made = api.create_commit("team/new", added, commit_message="two", parent_commit=head)
    assert api.repo_info("team/new").sha == made.oid
    removal = [CommitOperationDelete("c.txt")]
    api.create_commit("team/new", removal, commit_message="one less", parent_commit=made.oid)
    files = api.list_repo_files("team/new")
    assert sorted(files) == [".gitattributes", "a/b.txt"]


def test_a_stale_parent_is_refused(hub: FakeHub, api: HfApi) -> None:
    stale = api.repo_info(REPO).sha
    add = [CommitOperationAdd("a.txt", b"a")]
    api.create_commit(REPO, add, commit_message="first", parent_commit=stale)
    add = [CommitOperationAdd("b.txt", b"b")]
    with pytest.raises(HfHubHTTPError, match="412"):
        api.create_commit(REPO, add, commit_message="second", parent_commit=stale)


def test_the_client_reads_what_the_store_wrote(hub: FakeHub, api: HfApi, tmp_path: Path) -> None:
    tracker = ManifestTracker(f"hf://{REPO}/m")
    artifact = ModelArtifact(path=Path("/checkpoints"), step=1)
    for _ in range(3):
        tracker.log(artifact, name="model", lineage=Lineage())
    hub.page_size = 2
    listed = {entry.path for entry in api.list_repo_tree(REPO, "m/model", recursive=True)}
    assert {"m/model/latest", "m/model/v3/manifest.json"} < listed
    copy = api.hf_hub_download(REPO, "m/model/v3/manifest.json", cache_dir=tmp_path)
    assert Path(copy).read_bytes() == tracker.files.read("model/v3/manifest.json")
    filesystem = HfFileSystem(endpoint=hub.url, skip_instance_cache=True)
    assert filesystem.cat_file(tracker.manifest_location("model", 3)) == Path(copy).read_bytes()


def test_the_store_reads_what_the_client_wrote(hub: FakeHub, api: HfApi) -> None:
    tracker = ManifestTracker(f"hf://{REPO}/m")
    tracker.log(ModelArtifact(path=Path("/x"), step=1), name="model", lineage=Lineage())
    add = [CommitOperationAdd("m/model/aliases/production", b"v1")]
    api.create_commit(REPO, add, commit_message="by hand")
    assert tracker.resolve("model:production").version == 1


def test_errors_are_those_that_the_client_knows(hub: FakeHub, api: HfApi) -> None:
    hub.create("team/gated", gated=True)
    with pytest.raises(RepositoryNotFoundError):
        api.repo_info("team/missing")
    with pytest.raises(RevisionNotFoundError):
        api.repo_info(REPO, revision="dev")
    with pytest.raises(GatedRepoError):
        api.repo_info("team/gated")
    with pytest.raises(EntryNotFoundError):
        list(api.list_repo_tree(REPO, "nothing"))
    with pytest.raises(EntryNotFoundError) as caught:
        api.hf_hub_download(REPO, "nothing.json", cache_dir=Path.cwd())
    assert not isinstance(caught.value, LocalEntryNotFoundError)
    removal = [CommitOperationDelete("nothing.json")]
    with pytest.raises(EntryNotFoundError, match="doesn't exist"):
        api.create_commit(REPO, removal, commit_message="nothing")
    with pytest.raises(HfHubHTTPError, match="Invalid credentials"):
        HfApi(hub.url, "hf_wrong").repo_info(REPO)


def test_a_request_that_it_does_not_know_is_kept(hub: FakeHub, api: HfApi) -> None:
    with pytest.raises(HfHubHTTPError, match="unknown route"):
        api.list_repo_commits(REPO)
    assert hub.unexpected == [f"GET /api/models/{REPO}/commits/main"]
    hub.unexpected.clear()
