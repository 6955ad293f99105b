"""The revision of raw data on the Hub is the commit that it was read at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo_runspec.artifacts import Artifact, Lineage
from nemo_runspec.artifacts.revisions import revision_of
from nemo_runspec.manifest_tracker import ManifestTracker

if TYPE_CHECKING:
    from fake_hub import FakeHub


def test_data_on_the_hub_has_its_commit(hub: FakeHub, root: str) -> None:
    empty = revision_of("hf://team/artifacts")
    ManifestTracker(root).log(Artifact(path="/data"), name="data", lineage=Lineage())
    commit = revision_of("hf://team/artifacts")
    assert commit is not None
    assert commit.startswith("commit:")
    assert commit != empty
    assert revision_of("hf://team/artifacts/manifests/data/v1/manifest.json") == commit
    assert revision_of(f"hf://team/artifacts@{str(empty).removeprefix('commit:')}") == empty


def test_a_dataset_is_found_without_its_prefix(hub: FakeHub) -> None:
    hub.create("team/corpus", "datasets")
    assert revision_of("hf://team/corpus") == revision_of("hf://datasets/team/corpus")
    assert str(revision_of("hf://team/corpus")).startswith("commit:")
    assert revision_of("hf://team/nothing") is None
