from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_runspec.artifacts import Artifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.errors import StoreError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.examination import examine_store, repair_store
from nemo_runspec.manifest_tracker.files.base import StoreReport
from nemo_runspec.manifest_tracker.files.local import LocalFiles
from nemo_runspec.manifest_tracker.survey import summarize_store, survey_name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def tracker(root: Path, tmp_path: Path) -> ManifestTracker:
    tracker = ManifestTracker(root)
    for _ in range(3):
        tracker.log(Artifact(path=tmp_path / "data"), name="data", lineage=Lineage())
    tracker.set_alias("data", 2, "golden")
    return tracker


def test_a_sound_store_has_no_findings(tracker: ManifestTracker, root: Path) -> None:
    found = examine_store(tracker)
    assert (found.root, found.names, found.versions) == (str(root), 1, 3)
    assert found.report is not None
    assert (found.report.publishing, found.report.create_only) == ("link", True)
    assert found.findings == []


def truncate(path: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_text((root / path).read_text()[:40])


def write(path: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_text(text)


def remove(path: str) -> Callable[[Path], object]:
    return lambda root: (root / path).unlink()


def make_folder(path: str) -> Callable[[Path], object]:
    return lambda root: (root / path).mkdir(parents=True)


FAULTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "truncated manifest": (
        truncate("data/v2/manifest.json"),
        "data/v2/manifest.json",
        "data:v2 cannot be read: The manifest is damaged",
    ),
    "hole": (
        remove("data/v2/manifest.json"),
        "data/v2/manifest.json",
        "data:v2 is missing, and later versions exist",
    ),
    "damaged alias": (
        write("data/aliases/golden", "gold"),
        "data/aliases/golden",
        "The alias data:golden means no version in use: its file is damaged",
    ),
    "dangling alias": (
        write("data/aliases/golden", "v9"),
        "data/aliases/golden",
        "The alias data:golden means no version in use: v9 does not exist",
    ),
    "dangling latest": (write("data/latest", "v9"), "data/latest", "It says v9, which does not"),
    "damaged notice": (
        write("data/v1/withdrawn.json", "{"),
        "data/v1/manifest.json",
        "data:v1 cannot be read: .*The notice of withdrawal is damaged",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_place_and_cure(
    tracker: ManifestTracker, root: Path, fault: str
) -> None:
    apply, where, problem = FAULTS[fault]
    apply(root)
    finding = next(each for each in examine_store(tracker).findings if not each.harmless)
    assert finding.where == str(root / where)
    assert finding.cure
    assert re.match(problem, finding.problem)


HARMLESS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing latest": (remove("data/latest"), "data/latest", "It is missing"),
    "damaged latest": (write("data/latest", "?"), "data/latest", "It is damaged"),
    "missing dump": (remove("data/v1/metadata.json"), "data/v1/metadata.json", "It is missing"),
    "damaged dump": (truncate("data/v1/metadata.json"), "data/v1/metadata.json", "It is damaged"),
    "stale dump": (write("data/v1/metadata.json", "{}"), "data/v1/metadata.json", "It tells of"),
    "empty folder": (make_folder("data/v4"), "data/v4", "The folder has no manifest"),
    "staged": (
        make_folder(".nemotron/staging/host-1-abc"),
        ".nemotron/staging/host-1-abc",
        "A writer left it behind, or is at work",
    ),
}


@pytest.mark.parametrize("fault", HARMLESS)
def test_leftovers_are_told_apart_from_faults(
    tracker: ManifestTracker, root: Path, fault: str
) -> None:
    apply, where, problem = HARMLESS[fault]
    apply(root)
    (finding,) = examine_store(tracker).findings
    assert finding.harmless
    assert finding.where == str(root / where)
    assert finding.problem.startswith(problem)
    assert finding.cure


@pytest.mark.parametrize(
    "fault", ["missing latest", "damaged latest", "missing dump", "damaged dump", "stale dump"]
)
def test_what_can_be_derived_is_made_again(
    tracker: ManifestTracker, root: Path, fault: str
) -> None:
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    HARMLESS[fault][0](root)
    assert len(repair_store(tracker, examine_store(tracker))) == 1
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == before
    assert examine_store(tracker).findings == []


def test_a_hint_at_what_was_withdrawn_is_found_and_repaired(
    tracker: ManifestTracker, root: Path
) -> None:
    tracker.withdraw("data", 3, reason="broken")
    (root / "data" / "latest").write_text("v3")
    found = examine_store(tracker)
    assert [each.problem for each in found.findings] == ["It says v3, which was withdrawn."]
    repair_store(tracker, found)
    assert tracker.latest_version("data") == 2


def test_a_name_whose_versions_are_all_withdrawn_is_sound(tracker: ManifestTracker) -> None:
    tracker.remove_alias("data", "golden")
    for number in (1, 2, 3):
        tracker.withdraw("data", number, reason="all broken")
    assert examine_store(tracker).findings == []
    (summary,) = summarize_store(tracker)
    assert summary.count == 3
    assert "Every version of 'data' was withdrawn" in str(summary.problem)


class ReadOnlyFiles(LocalFiles):
    """A local store on a file system that is mounted read-only."""

    def _write_synced(self, path: Path, *_data: bytes) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))


class NoConditions(LocalFiles):
    """A storage that lets a second writer win."""

    def examine(self) -> StoreReport:
        return StoreReport("conditional write", create_only=False)


def test_a_read_only_store_is_examined_all_the_same(tracker: ManifestTracker, root: Path) -> None:
    truncate("data/v2/manifest.json")(root)
    tracker._files = ReadOnlyFiles(root)
    found = examine_store(tracker)
    assert found.report is None
    assert found.versions == 3
    assert found.findings[0].where == str(root)
    assert found.findings[0].problem == "Cannot write the artifact store: Read-only file system."
    assert len(found.findings) == 2


def test_a_storage_that_ignores_conditions_is_a_fault(tracker: ManifestTracker, root: Path) -> None:
    tracker._files = NoConditions(root)
    (finding,) = examine_store(tracker).findings
    assert "lets a second writer overwrite a version" in finding.problem
    assert "artifacts.manifest.single_writer=true" in finding.cure


def test_a_store_that_is_not_there_is_not_created(root: Path) -> None:
    with pytest.raises(StoreError, match=r"artifacts: There is no store here\. Check the spelling"):
        examine_store(ManifestTracker(root))
    assert not root.exists()


def test_a_file_as_root_is_one_sentence(root: Path) -> None:
    root.write_text("")
    with pytest.raises(StoreError, match=r"Not a directory\. Choose a folder"):
        examine_store(ManifestTracker(root))


def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_there(
    tracker: ManifestTracker, root: Path, tmp_path: Path
) -> None:
    class Unlistable(LocalFiles):
        def folders(self, path: str) -> list[str]:
            if path == "other":
                raise StoreError("Permission denied.", where=self.locate(path))
            return super().folders(path)

    tracker.log(Artifact(path=tmp_path), name="other", lineage=Lineage())
    tracker._files = Unlistable(root)
    assert {each.name: each.problem for each in summarize_store(tracker)} == {
        "data": None,
        "other": f"{root}/other: Permission denied.",
    }
    assert survey_name(tracker, "other").problem == f"{root}/other: Permission denied."
    (finding,) = examine_store(tracker).findings
    assert (finding.where, finding.problem) == (str(root / "other"), "Permission denied.")


def test_names_without_versions_are_not_listed(tracker: ManifestTracker, root: Path) -> None:
    (root / "not-a-name-yet" / "v1").mkdir(parents=True)
    (root / "data" / "v4").mkdir()
    assert [(each.name, each.count) for each in summarize_store(tracker)] == [("data", 3)]
