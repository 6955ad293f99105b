from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.artifacts import Artifact, ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.errors import ArtifactError, StoreError, UsageError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.collection import (
    CollectionPlan,
    data_of_withdrawn,
    plan_collection,
    withdraw_candidates,
)
from nemo_runspec.manifest_tracker.deletion import DataPlace, delete_data

MOUNTED = "/dev/shm"  # noqa: S108 - nothing is written there


class Workplace:
    """A store, and folders of data beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tracker = ManifestTracker(folder / "artifacts")

    def data(self, place: str, text: str = "x") -> Path:
        path = self.folder / place
        path.mkdir(parents=True, exist_ok=True)
        (path / "file").write_text(text)
        return path

    def log(self, name: str, place: str, *used: str, **settings: Any) -> str:
        return self.record(name, Artifact(path=self.data(place), **settings), *used)

    def record(self, name: str, artifact: Artifact, *used: str) -> str:
        lineage = Lineage(used_artifacts=list(used))
        return self.tracker.log(artifact, name=name, lineage=lineage).ref

    def damage(self, ref: str) -> Path:
        file = self.folder / "artifacts" / ref.replace(":", "/") / "manifest.json"
        file.write_text('{"name": ')
        return file

    def obstacles(self) -> dict[str, str | None]:
        places = data_of_withdrawn(self.tracker)
        return {os.path.relpath(each.path, self.folder): each.obstacle for each in places}


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path / "work" / "place")


def candidates(plan: CollectionPlan) -> list[str]:
    return [record.ref for record in plan.candidates]


def test_the_latest_aliased_and_used_versions_stay(workplace: Workplace) -> None:
    for number in range(5):
        workplace.log("data", f"data/{number}")
    workplace.log("model", "model/1", "data:v2")
    workplace.log("model", "model/2", "data:v3")
    workplace.tracker.set_alias("data", 1, "golden")
    plan = plan_collection(workplace.tracker)
    assert plan.kept == {
        "data:v1": ["alias golden"],
        "data:v5": ["latest"],
        "model:v2": ["latest"],
        "data:v3": ["input of model:v2"],
    }
    assert candidates(plan) == ["data:v2", "data:v4", "model:v1"]
    assert plan.unreproducible == {"model:v1": ["data:v2"]}


def test_inputs_of_inputs_stay_and_a_circle_ends(workplace: Workplace) -> None:
    workplace.log("raw", "raw", "model:v1")
    workplace.log("raw", "raw/2")
    workplace.log("data", "data", "raw:v1")
    workplace.log("model", "model", "data:v1", "elsewhere:v1", "team/project/raw:v2")
    plan = plan_collection(workplace.tracker)
    assert plan.kept["raw:v1"] == ["input of data:v1"]
    assert candidates(plan) == []


def test_more_of_the_last_versions_can_stay(workplace: Workplace) -> None:
    for number in range(5):
        workplace.log("data", f"data/{number}")
    workplace.tracker.withdraw("data", 4, reason="broken")
    plan = plan_collection(workplace.tracker, keep=3)
    assert plan.kept["data:v3"] == ["one of the last 3"]
    assert candidates(plan) == ["data:v1"]
    with pytest.raises(UsageError, match="keep=0: At least the last version of every name is kept"):
        plan_collection(workplace.tracker, keep=0)


def test_what_is_young_stays_with_its_inputs(workplace: Workplace) -> None:
    for name, used in (("raw", ()), ("raw", ()), ("data", ("raw:v1",)), ("data", ())):
        workplace.log(name, name, *used)
    file = workplace.folder / "artifacts" / "raw" / "v1" / "manifest.json"
    document = json.loads(file.read_text())
    file.write_text(json.dumps(document | {"created_at": "2020-01-01T00:00:00+00:00"}))
    plan = plan_collection(workplace.tracker, older_than_days=1.5)
    assert plan.kept["data:v1"] == ["younger than 1.5 days"]
    assert plan.kept["raw:v1"] == ["input of data:v1"]
    plan = plan_collection(workplace.tracker)
    assert candidates(plan) == ["data:v1", "raw:v1"]


def test_what_was_made_from_a_candidate_is_named_through_any_number_of_steps(
    workplace: Workplace,
) -> None:
    workplace.log("data", "data/1")
    workplace.log("model", "model/1", "data:v1")
    workplace.log("tuned", "tuned/1", "model:v1")
    workplace.tracker.withdraw("tuned", 1, reason="broken")
    for name in ("data", "model", "tuned"):
        workplace.log(name, f"{name}/2")
    plan = plan_collection(workplace.tracker)
    assert plan.unreproducible == {"model:v1": ["data:v1"], "tuned:v1": ["data:v1", "model:v1"]}


def test_withdrawing_leaves_every_record_and_number(workplace: Workplace) -> None:
    for number in range(3):
        workplace.log("data", f"data/{number}")
    plan = plan_collection(workplace.tracker)
    assert workplace.tracker.withdrawal("data", 1) is None
    assert withdraw_candidates(workplace.tracker, plan) == {}
    withdrawal = workplace.tracker.withdrawal("data", 1)
    assert withdrawal is not None
    assert "no alias means it" in withdrawal.reason
    assert workplace.tracker.versions("data") == [1, 2, 3]
    assert workplace.log("data", "data/4") == "data:v4"
    assert (workplace.folder / "data" / "0" / "file").exists()


def test_a_candidate_that_gets_an_alias_meanwhile_stays(workplace: Workplace) -> None:
    for number in range(3):
        workplace.log("data", f"data/{number}")
    plan = plan_collection(workplace.tracker)
    workplace.tracker.set_alias("data", 1, "golden")
    assert withdraw_candidates(workplace.tracker, plan) == {
        "data:v1": "data:v1 cannot be withdrawn: golden means it."
    }
    assert workplace.tracker.withdrawal("data", 1) is None
    assert workplace.tracker.withdrawal("data", 2) is not None


def test_what_cannot_be_read_stops_withdrawing_unless_its_name_is_excluded(
    workplace: Workplace,
) -> None:
    for number in range(3):
        workplace.log("data", f"data/{number}")
    for number in range(2):
        workplace.log("model", f"model/{number}")
    workplace.damage("model:v1")
    plan = plan_collection(workplace.tracker)
    assert list(plan.problems) == ["model:v1"]
    with pytest.raises(ArtifactError, match=r"model:v1 cannot be read.*--exclude model"):
        withdraw_candidates(workplace.tracker, plan)
    assert workplace.tracker.withdrawal("data", 1) is None
    plan = plan_collection(workplace.tracker, exclude=["model"])
    assert withdraw_candidates(workplace.tracker, plan) == {}
    assert workplace.tracker.withdrawal("data", 1) is not None
    assert set(workplace.obstacles().values()) == {"model:v1 cannot be read, and may need it"}


def test_a_damaged_alias_stops_withdrawing(workplace: Workplace) -> None:
    workplace.log("data", "data")
    workplace.tracker.set_alias("data", 1, "golden")
    (workplace.folder / "artifacts/data/aliases/golden").write_text("")
    plan = plan_collection(workplace.tracker)
    with pytest.raises(ArtifactError, match="data:golden cannot be read"):
        withdraw_candidates(workplace.tracker, plan)


def test_an_excluded_name_must_exist(workplace: Workplace) -> None:
    workplace.log("data", "data")
    with pytest.raises(UsageError, match=r"No artifact is named 'dat'\. Known: data\."):
        plan_collection(workplace.tracker, exclude=["dat"])


def test_data_of_withdrawn_versions_is_deleted_and_no_other(workplace: Workplace) -> None:
    for number in range(3):
        workplace.log("data", f"data/{number}")
    withdraw_candidates(workplace.tracker, plan_collection(workplace.tracker))
    assert workplace.obstacles() == {"data/0": None, "data/1": None}
    for place in data_of_withdrawn(workplace.tracker):
        delete_data(place)
    assert [path.name for path in (workplace.folder / "data").iterdir()] == ["2"]
    assert workplace.obstacles() == {}
    assert workplace.tracker.versions("data") == [1, 2, 3]


@pytest.mark.parametrize(
    ("kept", "obstacle"),
    [
        ("shared", "kept:v1 needs it"),
        ("shared/inside", "kept:v1 needs it"),
        (".", "kept:v1 needs what it is part of"),
    ],
)
def test_data_that_touches_a_version_in_use_stays(
    workplace: Workplace, kept: str, obstacle: str
) -> None:
    workplace.data("shared/inside")
    workplace.log("old", "shared")
    workplace.log("kept", kept)
    workplace.tracker.withdraw("old", 1, reason="old")
    assert workplace.obstacles() == {"shared": obstacle}


def test_data_that_a_version_in_use_was_made_from_stays(workplace: Workplace) -> None:
    workplace.log("raw", "raw")
    workplace.log("data", "data", "raw:v1")
    workplace.log("model", "model", "data:v1")
    for name in ("raw", "data"):
        workplace.tracker.withdraw(name, 1, reason="a bad split")
    assert workplace.obstacles() == {}
    workplace.tracker.withdraw("model", 1, reason="trained on a bad split")
    assert workplace.obstacles() == {"raw": None, "data": None, "model": None}


def test_data_that_a_version_in_use_mentions_stays(workplace: Workplace) -> None:
    old = workplace.data("old")
    workplace.log("old", "old")
    workplace.log("kept", "kept", metadata={"splits": {"train": [str(old / "file")]}})
    workplace.tracker.withdraw("old", 1, reason="old")
    assert workplace.obstacles() == {"old": "kept:v1 needs it"}


def test_of_checkpoints_that_share_a_folder_each_iteration_is_apart(workplace: Workplace) -> None:
    for step in (1, 2):
        own = workplace.data(f"ckpt/iter_{step}")
        model = ModelArtifact(
            path=workplace.folder / "ckpt", step=step, metadata={"absolute_path": str(own)}
        )
        workplace.record("model", model)
    workplace.tracker.withdraw("model", 1, reason="old")
    (place,) = data_of_withdrawn(workplace.tracker)
    delete_data(place)
    assert [path.name for path in (workplace.folder / "ckpt").iterdir()] == ["iter_2"]


def test_links_are_never_followed(workplace: Workplace) -> None:
    outside = workplace.data("outside")
    old = workplace.data("old")
    (old / "link").symlink_to(outside)
    workplace.log("old", "old")
    (workplace.folder / "as-link").symlink_to(outside)
    workplace.record("linked", Artifact(path=workplace.folder / "as-link"))
    for name in ("old", "linked"):
        workplace.tracker.withdraw(name, 1, reason="old")
    assert workplace.obstacles() == {"as-link": "it is a link", "old": None}
    for place in data_of_withdrawn(workplace.tracker):
        if place.obstacle is None:
            delete_data(place)
    assert (outside / "file").exists()
    assert not old.exists()


def test_data_that_is_not_what_was_recorded_stays(workplace: Workplace) -> None:
    workplace.log("old", "old")
    workplace.data("old/later")
    workplace.record("unseen", Artifact(path=workplace.folder / "unseen"))
    workplace.data("unseen")
    for name in ("old", "unseen"):
        workplace.tracker.withdraw(name, 1, reason="old")
    assert workplace.obstacles() == {
        "old": "it holds other than what was recorded",
        "unseen": "what it held was not recorded",
    }


def test_a_store_or_runs_inside_the_data_stay(workplace: Workplace) -> None:
    workplace.log("old", "old")
    ManifestTracker(workplace.folder / "old" / "other").log(
        Artifact(path=workplace.folder), name="theirs", lineage=Lineage()
    )
    workplace.tracker.withdraw("old", 1, reason="old")
    assert workplace.obstacles() == {"old": "it holds a store or run directories"}


def test_dangerous_places_stay(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    home = workplace.data("home/user")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(workplace.data("here/below"))
    places = {
        "root": "/",
        "home": str(home.parent),
        "here": str(workplace.folder / "here"),
        "store": str(workplace.folder / "artifacts" / "store" / "v1"),
        "around": str(workplace.folder),
        "remote": "memory://bucket/data",
    }
    obstacles = {}
    for name, place in places.items():
        workplace.record(name, Artifact(path=workplace.data("small")))
        file = workplace.folder / "artifacts" / name / "v1" / "manifest.json"
        file.write_text(file.read_text().replace(str(workplace.folder / "small"), place))
        workplace.tracker.withdraw(name, 1, reason="old")
    for each in data_of_withdrawn(workplace.tracker):
        (ref,) = each.refs
        obstacles[ref.partition(":")[0]] = each.obstacle
    assert obstacles == {
        "root": "it lies at the top of the file system",
        "home": "it is or holds the home folder",
        "here": "it is or holds the working directory",
        "store": "it is part of the store, or holds it",
        "around": "it is or holds the home folder",
        "remote": "it lies on remote storage",
    }


@pytest.mark.skipif(
    not os.path.ismount(MOUNTED) and not os.environ.get("CI"), reason="no mount point to look at"
)
def test_a_mount_point_stays(workplace: Workplace) -> None:
    workplace.log("old", "small")
    file = workplace.folder / "artifacts" / "old" / "v1" / "manifest.json"
    file.write_text(file.read_text().replace(str(workplace.folder / "small"), MOUNTED))
    workplace.tracker.withdraw("old", 1, reason="old")
    (place,) = data_of_withdrawn(workplace.tracker)
    assert place.obstacle == "another file system is mounted there"


def test_a_place_with_an_obstacle_is_not_deleted(workplace: Workplace) -> None:
    data = workplace.data("data")
    with pytest.raises(StoreError, match=r"The data stays\. kept:v1 needs it"):
        delete_data(DataPlace(str(data), ["old:v1"], obstacle="kept:v1 needs it"))
    assert data.exists()


def test_an_empty_store_has_nothing_to_collect(workplace: Workplace) -> None:
    assert plan_collection(workplace.tracker) == CollectionPlan()


@pytest.mark.parametrize("way", ["file", "folder", "chain", "through a folder of links"])
def test_data_that_a_version_in_use_reads_through_links_stays(
    workplace: Workplace, way: str
) -> None:
    old = workplace.data("old")
    workplace.log("old", "old")
    kept = workplace.data("kept/part")
    if way == "file":
        (kept / "shard").symlink_to("../../old/file")
    elif way == "folder":
        (kept / "shards").symlink_to(old)
    elif way == "chain":
        (workplace.folder / "between").symlink_to(old / "file")
        (kept / "shard").symlink_to(workplace.folder / "between")
    else:
        (workplace.data("links") / "shard").symlink_to(old / "file")
        (kept / "shards").symlink_to(workplace.folder / "links")
    workplace.log("kept", "kept")
    workplace.tracker.withdraw("old", 1, reason="old")
    assert workplace.obstacles() == {"old": "kept:v1 needs it"}


def test_a_link_on_the_way_to_what_a_version_in_use_reads_stays(workplace: Workplace) -> None:
    old = workplace.data("old")
    (old / "link").symlink_to(workplace.data("elsewhere"))
    workplace.log("old", "old")
    (workplace.data("kept") / "shards").symlink_to(old / "link")
    (workplace.folder / "kept" / "circle").symlink_to("circle")
    workplace.log("kept", "kept")
    workplace.tracker.withdraw("old", 1, reason="old")
    assert workplace.obstacles() == {"old": "kept:v1 needs it"}


def test_nothing_is_deleted_where_the_links_of_a_version_in_use_cannot_be_followed(
    workplace: Workplace,
) -> None:
    workplace.log("old", "old")
    (workplace.data("kept") / "link").symlink_to(workplace.folder / ("name" * 100))
    workplace.log("kept", "kept")
    workplace.tracker.withdraw("old", 1, reason="old")
    (obstacle,) = workplace.obstacles().values()
    assert obstacle is not None
    assert "cannot be read" in obstacle
    assert "kept:v1 may need it through a link there" in obstacle


@pytest.fixture
def mounted(workplace: Workplace) -> Iterator[Path]:
    """Another name for the folder ``data``."""
    source, alias = workplace.data("data"), workplace.data("alias")
    strict = bool(os.environ.get("CI"))
    done = subprocess.run(["mount", "--bind", str(source), str(alias)], check=strict)
    if done.returncode:
        pytest.skip("this user mounts nothing")
    yield alias
    subprocess.run(["umount", str(alias)], check=True)


@pytest.mark.parametrize(
    ("old", "kept"),
    [
        ("data/one", "alias/one"),
        ("alias/one", "data/one"),
        ("data/one", "alias/one/below"),
        ("data/one/below", "alias/one"),
    ],
)
def test_data_that_a_version_in_use_has_under_another_mount_stays(
    workplace: Workplace, mounted: Path, old: str, kept: str
) -> None:
    assert mounted.name == "alias"
    workplace.data("data/one/below")
    workplace.log("old", old)
    workplace.log("kept", kept)
    workplace.tracker.withdraw("old", 1, reason="old")
    (obstacle,) = workplace.obstacles().values()
    assert obstacle in {"kept:v1 needs it", "kept:v1 needs what it is part of"}


def test_a_mount_inside_the_data_stays(workplace: Workplace, mounted: Path) -> None:
    workplace.record("old", Artifact(path=mounted))
    workplace.tracker.withdraw("old", 1, reason="old")
    assert workplace.obstacles() == {"alias": "another file system is mounted there"}


def test_what_is_spared_keeps_its_data_though_it_is_withdrawn(workplace: Workplace) -> None:
    workplace.log("raw", "raw")
    workplace.log("held", "held", "raw:v1")
    for name in ("raw", "held"):
        workplace.tracker.withdraw(name, 1, reason="by hand")
    assert workplace.obstacles() == {"raw": None, "held": None}
    for settings in ({"exclude": ["held"]}, {"older_than_days": 1.0}):
        assert plan_collection(workplace.tracker, **settings).data == []  # type: ignore[arg-type]
        assert data_of_withdrawn(workplace.tracker, **settings) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("created_at", "young"),
    [
        ("0001-01-01T00:00:00", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("9999-12-31T23:59:59-12:00", True),
    ],
)
def test_any_time_of_a_record_has_an_age(
    workplace: Workplace, created_at: str, *, young: bool
) -> None:
    workplace.log("data", "data/1")
    workplace.log("data", "data/2")
    file = workplace.folder / "artifacts" / "data" / "v1" / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"created_at": created_at}))
    plan = plan_collection(workplace.tracker, older_than_days=1e12 if young else 1)
    assert ("data:v1" in plan.kept) is young


def test_a_path_that_no_file_can_have_needs_nothing(workplace: Workplace) -> None:
    workplace.log("old", "old")
    workplace.log("kept", "kept")
    file = workplace.folder / "artifacts" / "kept" / "v1" / "manifest.json"
    document = json.loads(file.read_text())
    paths = {"path": "/data/\ud800", "inputs": ["/data/\udfff", "/data/\0"]}
    file.write_text(json.dumps(document | paths | {"content": None}))
    workplace.tracker.withdraw("old", 1, reason="old")
    assert workplace.obstacles() == {"old": None}


def test_a_candidate_that_something_is_made_from_meanwhile_stays(workplace: Workplace) -> None:
    for name, used in (("raw", ()), ("raw", ()), ("data", ("raw:v1",)), ("data", ())):
        workplace.log(name, name, *used)
    plan = plan_collection(workplace.tracker)
    assert candidates(plan) == ["data:v1", "raw:v1"]
    workplace.log("model", "model", "data:v1")
    assert withdraw_candidates(workplace.tracker, plan) == {
        "data:v1": "It became an input of model:v1 meanwhile.",
        "raw:v1": "It became an input of data:v1 meanwhile.",
    }
    assert workplace.tracker.withdrawal("data", 1) is None


def test_what_is_damaged_meanwhile_stops_withdrawing(workplace: Workplace) -> None:
    workplace.log("data", "data/1")
    workplace.log("data", "data/2")
    workplace.log("model", "model")
    plan = plan_collection(workplace.tracker)
    workplace.damage("model:v1")
    with pytest.raises(ArtifactError, match="model:v1 cannot be read"):
        withdraw_candidates(workplace.tracker, plan)
    assert workplace.tracker.withdrawal("data", 1) is None
