from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from nemo_runspec.artifacts import Artifact, ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.verification import Verification, verify_version

IN_MEMORY = "/dev/shm"  # noqa: S108 - a file system that keeps every time

Change = Callable[[Path], object]


def rewrite_unseen(file: Path, text: str) -> None:
    """Other bytes of the same number, under the same modification time."""
    times = file.stat()
    file.write_text(text)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def rewrite_later(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, ns=(0, 1_900_000_000_000_000_000))


def record(root: Path, artifact: Artifact) -> ManifestTracker:
    tracker = ManifestTracker(root / "artifacts")
    tracker.log(artifact, name="data", lineage=Lineage())
    return tracker


def faults(found: Verification, root: Path) -> list[str]:
    return [f"{os.path.relpath(fault.path, root)} {fault.problem}" for fault in found.faults]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "part").mkdir(parents=True)
    (folder / "a.txt").write_text("aaaa")
    (folder / "part" / "b.txt").write_text("bb")
    return folder


@pytest.fixture
def tracker(tmp_path: Path, data: Path) -> ManifestTracker:
    return record(tmp_path, Artifact(path=data))


def test_untouched_data_is_intact(tracker: ManifestTracker, data: Path) -> None:
    found = verify_version(tracker, "data")
    assert (found.ref, found.path) == ("data:v1", str(data))
    assert (found.faults, found.unchecked, found.files) == ([], [], 2)


CHANGES: dict[str, tuple[Change, str]] = {
    "deleted": (lambda data: (data / "a.txt").unlink(), "data/a.txt is missing"),
    "truncated": (
        lambda data: os.truncate(data / "a.txt", 1),
        "data/a.txt has 1 bytes; 4 were recorded",
    ),
    "rewritten": (
        lambda data: rewrite_unseen(data / "part" / "b.txt", "xx"),
        "data/part/b.txt was rewritten: its digest is another",
    ),
    "added": (lambda data: (data / "part" / "c").touch(), "data/part/c was added"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_named_by_its_path(
    tracker: ManifestTracker, data: Path, change: str
) -> None:
    apply, expected = CHANGES[change]
    apply(data)
    assert faults(verify_version(tracker, "data"), data.parent) == [expected]


def test_all_changes_are_named_at_once(tracker: ManifestTracker, data: Path) -> None:
    (data / "a.txt").rename(data / "c.txt")
    (data / "part" / "b.txt").write_text("")
    assert faults(verify_version(tracker, "data:v1"), data.parent) == [
        "data/a.txt is missing",
        "data/c.txt was added",
        "data/part/b.txt has 0 bytes; 2 were recorded",
    ]


def test_data_that_was_merely_copied_or_touched_is_intact(
    tracker: ManifestTracker, data: Path
) -> None:
    os.utime(data / "a.txt", ns=(0, 0))
    (data / "metadata.json").write_text('{"type": "Artifact", "path": "/data"}')
    assert verify_version(tracker, "data").faults == []


LINK_CHANGES: dict[str, tuple[Change, str]] = {
    "grown": (
        lambda outside: (outside / "x").write_text("longer"),
        "leads to 6 bytes; 4 were recorded",
    ),
    "rewritten": (
        lambda outside: rewrite_later(outside / "x", "yyyy"),
        "leads to a file that was rewritten on 2030-03-17",
    ),
    "deleted": (
        lambda outside: (outside / "x").unlink(),
        "is a link that leads nowhere: No such file or directory",
    ),
    "replaced": (
        lambda outside: ((outside / "x").unlink(), (outside / "x").mkdir()),
        "leads to no file any more",
    ),
}


@pytest.mark.parametrize("kind", [Artifact, ModelArtifact])
@pytest.mark.parametrize("change", LINK_CHANGES)
def test_changes_behind_a_link_are_found(
    tmp_path: Path, data: Path, change: str, kind: type[Artifact]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x").write_text("xxxx")
    (data / "link").symlink_to(outside / "x")
    step = {"step": 1} if kind is ModelArtifact else {}
    tracker = record(tmp_path, kind(path=data, **step))
    found = verify_version(tracker, "data")
    assert found.faults == []
    assert "The bytes of what links lead to" in found.unchecked[-1]
    apply, expected = LINK_CHANGES[change]
    apply(outside)
    (fault,) = faults(verify_version(tracker, "data"), tmp_path)
    assert fault.startswith(f"data/link {expected}")


def test_changes_behind_links_among_very_many_files_are_found(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("xxxx")
    data = tmp_path / "data"
    data.mkdir()
    for number in range(300):
        (data / str(number)).symlink_to(outside)
    tracker = record(tmp_path, Artifact(path=data))
    assert verify_version(tracker, "data").faults == []
    outside.write_text("longer")
    assert faults(verify_version(tracker, "data"), tmp_path) == [
        "data has links that lead to files of other sizes or times"
    ]


def test_a_folder_behind_a_link_is_not_followed_and_that_is_said(
    tmp_path: Path, data: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (data / "link").symlink_to(outside)
    tracker = record(tmp_path, Artifact(path=data))
    (outside / "later").touch()
    found = verify_version(tracker, "data")
    assert found.faults == []
    assert found.unchecked == [
        f"What lies behind links to folders, which are not followed: {data / 'link'}."
    ]
    (outside / "later").unlink()
    outside.rmdir()
    assert faults(verify_version(tracker, "data"), tmp_path) == [
        "data/link is a link that leads nowhere: No such file or directory"
    ]


def test_a_link_that_cannot_be_followed_is_one_fault_among_others(
    tmp_path: Path, data: Path
) -> None:
    (data / "link").symlink_to(tmp_path / ("name" * 100))
    tracker = record(tmp_path, Artifact(path=data))
    (data / "a.txt").unlink()
    assert faults(verify_version(tracker, "data"), tmp_path) == [
        "data/a.txt is missing",
        "data/link is a link that leads nowhere: File name too long",
    ]


def test_data_that_is_gone_is_one_fault(tracker: ManifestTracker, data: Path) -> None:
    data.rename(data.with_name("moved"))
    assert faults(verify_version(tracker, "data"), data.parent) == ["data does not exist"]


def test_a_link_to_nowhere_is_a_fault(tracker: ManifestTracker, data: Path) -> None:
    data.rename(data.with_name("moved"))
    data.symlink_to(data.with_name("nowhere"))
    assert faults(verify_version(tracker, "data"), data.parent) == ["data does not exist"]


def test_a_file_instead_of_the_folder_is_a_fault(tracker: ManifestTracker, data: Path) -> None:
    data.rename(data.with_name("moved"))
    data.write_text("")
    assert "data was added" in faults(verify_version(tracker, "data"), data.parent)


def test_a_withdrawn_version_can_be_verified(tracker: ManifestTracker) -> None:
    tracker.withdraw("data", 1, reason="superseded")
    assert verify_version(tracker, "data:v1").faults == []


def test_a_checkpoint_is_compared_by_sizes_and_times(tmp_path: Path, data: Path) -> None:
    metadata: dict[str, Any] = {"absolute_path": str(data / "part")}
    tracker = record(tmp_path, ModelArtifact(path=data, step=1, metadata=metadata))
    (data / "later-checkpoint").mkdir()
    found = verify_version(tracker, "data")
    assert found.faults == []
    assert found.unchecked == [
        "The bytes of the files: no digest was recorded, only sizes and times."
    ]
    rewrite_later(data / "part" / "b.txt", "xx")
    (fault,) = faults(verify_version(tracker, "data"), tmp_path)
    assert fault.startswith("data/part/b.txt was rewritten on 2030-03-17")


@pytest.mark.skipif(not Path(IN_MEMORY).is_dir(), reason="no file system with such times")
def test_a_time_that_no_calendar_has_is_a_sentence(tmp_path: Path) -> None:
    with TemporaryDirectory(dir=IN_MEMORY) as folder:
        file = Path(folder, "weights")
        file.write_text("x")
        tracker = record(tmp_path, ModelArtifact(path=Path(folder), step=1))
        os.utime(file, (400_000_000_000, 400_000_000_000))
        (fault,) = verify_version(tracker, "data").faults
    assert fault.problem == "was rewritten on a date that no calendar has; it kept its size"


def test_of_a_checkpoint_both_of_its_places_must_exist(tmp_path: Path, data: Path) -> None:
    metadata: dict[str, Any] = {"absolute_path": str(data / "part")}
    tracker = record(tmp_path, ModelArtifact(path=data, step=1, metadata=metadata))
    data.rename(tmp_path / "moved")
    assert faults(verify_version(tracker, "data"), tmp_path) == [
        "data does not exist",
        "data/part does not exist",
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda data: (data / "5").unlink(), "data has 299 files; 300 were recorded"),
        (lambda data: (data / "5").write_text("longer"), "data has 6 bytes; 0 were recorded"),
        (
            lambda data: (data / "5").rename(data / "x"),
            "data was rewritten in part: its digest is another",
        ),
    ],
)
def test_changes_among_very_many_files_are_found(
    tmp_path: Path, change: Change, expected: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number in range(300):
        (data / str(number)).touch()
    tracker = record(tmp_path, Artifact(path=data))
    assert verify_version(tracker, "data").faults == []
    change(data)
    assert faults(verify_version(tracker, "data"), tmp_path) == [expected]


def test_very_many_files_of_a_checkpoint_are_compared_too(tmp_path: Path) -> None:
    data = tmp_path / "ckpt"
    data.mkdir()
    for number in range(300):
        (data / str(number)).write_text("x")
    tracker = record(tmp_path, ModelArtifact(path=data, step=1))
    rewrite_later(data / "7", "y")
    assert faults(verify_version(tracker, "data"), tmp_path) == [
        "ckpt was rewritten in part: names or modification times are others"
    ]


def test_what_was_recorded_without_content_says_so(tmp_path: Path) -> None:
    tracker = record(tmp_path, Artifact(path=tmp_path / "later"))
    (tmp_path / "later").mkdir()
    found = verify_version(tracker, "data")
    assert found.faults == []
    assert found.unchecked == ["The files: nothing was recorded of them."]


def test_on_remote_storage_only_existence_is_checked(tmp_path: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/verified/data.txt", b"x")
    tracker = record(tmp_path, Artifact(path="memory://verified"))
    found = verify_version(tracker, "data")
    assert (found.faults, len(found.unchecked)) == ([], 1)
    memory.rm("/verified", recursive=True)
    (fault,) = verify_version(tracker, "data").faults
    assert (fault.path, fault.problem) == ("memory://verified", "does not exist")


def test_storage_that_cannot_be_reached_is_one_sentence(tmp_path: Path) -> None:
    tracker = record(tmp_path, Artifact(path="nosuchscheme://bucket/data"))
    with pytest.raises(ArtifactError, match=r"^nosuchscheme://bucket/data: The data cannot be"):
        verify_version(tracker, "data")


def test_what_was_never_recorded_cannot_be_verified(tracker: ManifestTracker) -> None:
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'dat'"):
        verify_version(tracker, "dat")
