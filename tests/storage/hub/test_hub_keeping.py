"""A store on the Hub can be listed, collected and examined like a local one."""

from __future__ import annotations

from pathlib import Path

from fake_hub import FakeHub

from nemo_runspec.artifacts import Artifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.collection import plan_collection, withdraw_candidates
from nemo_runspec.manifest_tracker.examination import examine_store, repair_store


def test_a_store_is_collected_examined_and_mended(hub: FakeHub, root: str, tmp_path: Path) -> None:
    tracker = ManifestTracker(root)
    for _ in range(3):
        tracker.log(Artifact(path=tmp_path), name="data", lineage=Lineage())
    tracker.set_alias("data", 2, "golden")
    plan = plan_collection(tracker)
    assert [record.ref for record in plan.candidates] == ["data:v1"]
    withdraw_candidates(tracker, plan)
    found = examine_store(ManifestTracker(root))
    assert found.findings == []
    assert found.report is not None
    assert found.report.create_only
    tracker.files.replace("data/latest", b"?")
    tracker.files.remove("data/v2/metadata.json")
    mended = repair_store(tracker, examine_store(tracker))
    assert len(mended) == 2
    assert examine_store(ManifestTracker(root)).findings == []
