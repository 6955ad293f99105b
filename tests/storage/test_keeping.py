"""A store on a real server can be listed, collected, examined and mended like a local one."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo_runspec.artifacts import Artifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.errors import ArtifactWithdrawnError, StoreError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.collection import plan_collection, withdraw_candidates
from nemo_runspec.manifest_tracker.examination import examine_store, repair_store
from nemo_runspec.manifest_tracker.survey import summarize_store, survey_name


def filled(root: str, data: Path) -> ManifestTracker:
    """A store with four versions of data, one golden, and a model made from the second."""
    tracker = ManifestTracker(root)
    for _ in range(4):
        tracker.log(Artifact(path=data), name="data", lineage=Lineage())
    tracker.log(Artifact(path=data), name="model", lineage=Lineage(used_artifacts=["data:v2"]))
    tracker.set_alias("data", 3, "golden")
    return tracker


def test_a_store_is_collected_and_stays_sound(root: str, tmp_path: Path) -> None:
    tracker = filled(root, tmp_path)
    plan = plan_collection(tracker)
    assert plan.kept == {
        "data:v3": ["alias golden"],
        "data:v4": ["latest"],
        "model:v1": ["latest"],
        "data:v2": ["input of model:v1"],
    }
    assert withdraw_candidates(tracker, plan) == {}
    fresh = ManifestTracker(root)
    with pytest.raises(ArtifactWithdrawnError, match=r"data:v1 was withdrawn on .*: gc: no alias"):
        fresh.resolve("data:v1")
    assert plan_collection(fresh).candidates == []
    assert examine_store(fresh).findings == []


def test_damage_is_found_and_the_rest_still_lists(root: str, tmp_path: Path) -> None:
    tracker = filled(root, tmp_path)
    tracker.files.replace("data/v2/manifest.json", b'{"name": "da')
    tracker.files.replace("data/aliases/golden", b"v9")
    tracker.files.replace("data/latest", b"v7")
    tracker.files.remove("model/v1/metadata.json")
    found = examine_store(ManifestTracker(root))
    assert [(finding.where, finding.harmless) for finding in found.findings] == [
        (f"{root}/data/v2/manifest.json", False),
        (f"{root}/data/aliases/golden", False),
        (f"{root}/data/latest", False),
        (f"{root}/model/v1/metadata.json", True),
    ]
    assert [each.name for each in summarize_store(tracker)] == ["data", "model"]
    problems = [each.problem for each in survey_name(tracker, "data").versions]
    assert [problem is None for problem in problems] == [True, False, True, True]
    assert len(repair_store(tracker, found)) == 2
    assert tracker.files.read("data/latest") == b"v4"
    assert len(examine_store(tracker).findings) == 2


def test_a_missing_bucket_is_no_empty_store(root: str) -> None:
    scheme, _, _ = root.partition("://")
    with pytest.raises(StoreError, match="does not exist"):
        examine_store(ManifestTracker(f"{scheme}://no-such-bucket/artifacts"))
    assert examine_store(ManifestTracker(root)).versions == 0


def test_a_careless_storage_is_a_fault(rclone: str) -> None:
    (finding,) = examine_store(ManifestTracker(rclone)).findings
    assert "lets a second writer overwrite a version" in finding.problem
    assert not finding.harmless


def test_a_careless_storage_of_one_writer_is_as_declared(rclone: str) -> None:
    (finding,) = examine_store(ManifestTracker(rclone, single_writer=True)).findings
    assert finding.harmless
