from __future__ import annotations

import errno
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.artifacts import ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.errors import (
    ArtifactError,
    ArtifactNotFoundError,
    ArtifactWithdrawnError,
    InvalidReferenceError,
    ManifestFormatError,
    StoreError,
    UnknownOutcomeError,
)
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.files.local import LocalFiles

DRIVERS = Path(__file__).parent / "drivers"
NAME = "nano3-sft-model"


def drive(script: str, *arguments: object) -> str:
    command = [sys.executable, str(DRIVERS / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def log(tracker: ManifestTracker, step: int = 1, name: str = NAME) -> str:
    artifact = ModelArtifact(path=Path("/checkpoints"), step=step)
    return tracker.log(artifact, name=name, lineage=Lineage()).ref


def whole_versions(root: Path, name: str = NAME) -> list[int]:
    """The versions that the files alone show, each read and checked."""
    numbers = []
    for manifest in (root / name).glob("v*/manifest.json"):
        document = json.loads(manifest.read_bytes())
        assert f"v{document['version']}" == manifest.parent.name
        numbers.append(document["version"])
    return sorted(numbers)


def write_versions(root: Path, count: int, name: str = NAME) -> None:
    """Lay versions down as files, without the hint."""
    template = ManifestTracker(root)
    log(template, name=name)
    document = json.loads((root / name / "v1" / "manifest.json").read_bytes())
    for version in range(2, count + 1):
        folder = root / name / f"v{version}"
        folder.mkdir()
        (folder / "manifest.json").write_text(json.dumps(document | {"version": version}))


@pytest.fixture(params=["link", "rename"])
def publish_mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def record_publish_mode(root: Path, mode: str) -> None:
    (root / ".nemotron").mkdir(parents=True)
    (root / ".nemotron" / "store.json").write_text(json.dumps({"publish": mode}))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "artifacts"


@pytest.fixture
def tracker(root: Path) -> ManifestTracker:
    return ManifestTracker(root)


def test_the_layout_is_the_documented_one(root: Path, tracker: ManifestTracker) -> None:
    log(tracker)
    log(tracker, step=2)
    assert (root / NAME / "latest").read_text() == "v2"
    manifest = json.loads((root / NAME / "v2" / "manifest.json").read_bytes())
    assert manifest["version"] == 2
    metadata = json.loads((root / NAME / "v2" / "metadata.json").read_bytes())
    assert metadata["step"] == 2
    assert sorted(path.name for path in root.iterdir()) == [".nemotron", NAME]
    assert not list((root / ".nemotron" / "staging").iterdir())


def test_eight_processes_log_200_distinct_versions(root: Path) -> None:
    refs = drive("race.py", root, NAME, 8, 25).split()
    assert len(set(refs)) == 200
    assert whole_versions(root) == list(range(1, 201))
    assert ManifestTracker(root).resolve(f"{NAME}:latest").version == 200


def test_a_writer_killed_at_any_call_leaves_whole_versions_only(root: Path) -> None:
    outcome = json.loads(drive("killed.py", root, NAME))
    assert outcome["points"] > 30
    versions = whole_versions(root)
    assert versions == list(range(1, len(versions) + 1))
    reader = ManifestTracker(root)
    acknowledged = outcome["acknowledged"]
    assert len(acknowledged) == len(set(acknowledged)) > 30
    for ref in acknowledged:
        assert reader.resolve(ref).ref == ref
    assert reader.resolve(NAME).version == versions[-1]


def test_racing_writers_killed_at_random_moments_lose_and_double_nothing(
    root: Path, publish_mode: str
) -> None:
    seed = int(os.environ.get("NEMOTRON_TEST_SEED") or time.time_ns() % 1_000_000)
    kills = int(os.environ.get("NEMOTRON_TEST_KILLS") or 60)
    print(f"{kills} kills, NEMOTRON_TEST_SEED={seed}")  # noqa: T201 - to repeat a failure
    record_publish_mode(root, publish_mode)
    # On a busy machine they may all be killed before they record anything.
    log(ManifestTracker(root), step=10**9)
    result = json.loads(drive("killed_at_random.py", root, NAME, kills, seed))
    versions = whole_versions(root)
    assert versions == list(range(1, len(versions) + 1))
    recorded = {
        ref: ManifestTracker(root).resolve(ref).value("step")
        for ref in (f"{NAME}:v{version}" for version in versions)
    }
    assert len(set(recorded.values())) == len(recorded)
    assert {ref: recorded[ref] for ref, _ in result["acknowledged"]} == dict(result["acknowledged"])
    assert ManifestTracker(root).resolve(NAME).version == versions[-1]


def test_the_cost_of_a_log_does_not_grow_with_the_versions(root: Path) -> None:
    counts = {}
    for versions in (0, 1_000, 10_000):
        name = f"with-{versions}"
        if versions:
            write_versions(root, versions, name)
            (root / name / "latest").write_text(f"v{versions}")
        counts[versions] = int(drive("count_calls.py", root, name))
        assert ManifestTracker(root).resolve(name).version == versions + 1
    assert counts[0] == counts[1_000] == counts[10_000]


@pytest.mark.parametrize("hint", [None, "v1", "v700", "v999", "nonsense", "", "v5000"])
def test_readers_and_writers_verify_the_hint(
    root: Path, tracker: ManifestTracker, hint: str | None
) -> None:
    write_versions(root, 700)
    latest = root / NAME / "latest"
    latest.unlink()
    if hint is not None:
        latest.write_text(hint)
    assert tracker.resolve(NAME).version == 700
    assert log(tracker) == f"{NAME}:v701"
    assert latest.read_text() == "v701"


def test_a_lost_reply_does_not_double_a_version(
    root: Path, tracker: ManifestTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(tracker)
    real_link = os.link

    def link_then_fail(source: str, target: str) -> None:
        real_link(source, target)
        raise FileExistsError(errno.EEXIST, "the reply was lost and the retry met its own work")

    monkeypatch.setattr("os.link", link_then_fail)
    assert log(tracker) == f"{NAME}:v2"
    assert whole_versions(root) == [1, 2]


class LostReplies(LocalFiles):
    """Storage whose first few replies are lost, after the write or before it."""

    def __init__(self, root: Path, *, lost: int, written: bool) -> None:
        super().__init__(root)
        self._lost = lost
        self._written = written

    def publish(self, path: str, data: bytes, companions: Mapping[str, bytes]) -> bool:
        if self._lost == 0:
            return super().publish(path, data, companions)
        self._lost -= 1
        if self._written:
            super().create(path, data)
        raise UnknownOutcomeError("The reply was lost.", where=self.locate(path))


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("lost", [1, 3])
def test_an_unknown_outcome_is_looked_up(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, lost: int, written: bool
) -> None:
    log(ManifestTracker(root))
    tracker = ManifestTracker(root)
    monkeypatch.setattr(tracker, "_files", LostReplies(root, lost=lost, written=written))
    assert log(tracker, step=2) == f"{NAME}:v2"
    assert whole_versions(root) == [1, 2]
    assert (root / NAME / "latest").read_text() == "v2"
    assert (root / NAME / "v2" / "metadata.json").exists()


def test_a_storage_that_never_answers_is_named_with_the_version_in_doubt(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = ManifestTracker(root)
    monkeypatch.setattr(tracker, "_files", LostReplies(root, lost=99, written=False))
    with pytest.raises(
        StoreError,
        match=rf"{root}.*{NAME}:v1 may have been recorded or not: The reply was.*claim_id \w{{32}}",
    ):
        log(tracker)


@pytest.mark.parametrize("call", ["publish", "read"])
def test_after_a_lost_reply_a_refusal_is_no_proof_either(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    tracker = ManifestTracker(root)
    files = LostReplies(root, lost=1, written=True)
    monkeypatch.setattr(tracker, "_files", files)
    real, failures = getattr(files, call), iter(["refused"] * 2)

    def refuse_once_in_doubt(*arguments: Any) -> Any:
        if files._lost == 0 and str(arguments[0]).endswith("manifest.json"):
            for failure in failures:
                raise StoreError(failure, where=str(root))
        return real(*arguments)

    monkeypatch.setattr(files, call, refuse_once_in_doubt)
    assert log(tracker) == f"{NAME}:v1"
    assert whole_versions(root) == [1]


def test_latest_passes_over_what_is_withdrawn(tracker: ManifestTracker, root: Path) -> None:
    for step in (10, 20, 30):
        log(tracker, step)
    tracker.withdraw(NAME, 3, reason="diverged")
    assert tracker.resolve(NAME).version == 2
    assert (root / NAME / "latest").read_text() == "v2"
    assert tracker.versions(NAME) == [1, 2, 3]
    assert log(tracker, 40) == f"{NAME}:v4"
    assert tracker.resolve(NAME).version == 4
    tracker.withdraw(NAME, 4, reason="diverged as well")
    assert tracker.latest_version(NAME) == 2


def test_a_withdrawn_version_is_refused_with_its_reason_and_can_come_back(
    tracker: ManifestTracker,
) -> None:
    log(tracker)
    tracker.withdraw(NAME, 1, reason="trained on the test split.")
    with pytest.raises(
        ArtifactWithdrawnError,
        match=rf"{NAME}:v1 was withdrawn on \d{{4}}-\d\d-\d\d: trained on the test split\. .*"
        rf"nemotron artifacts restore {NAME}:v1",
    ):
        tracker.resolve(f"{NAME}:v1")
    with pytest.raises(ArtifactNotFoundError, match="Every version of 'nano3-sft-model' was"):
        tracker.resolve(NAME)
    assert tracker.find(f"{NAME}:v1").ref == f"{NAME}:v1"
    tracker.restore(NAME, 1)
    assert tracker.resolve(NAME).version == tracker.resolve(f"{NAME}:v1").version == 1


def test_a_version_that_an_alias_means_is_not_withdrawn(tracker: ManifestTracker) -> None:
    log(tracker)
    tracker.set_alias(NAME, 1, "production")
    with pytest.raises(ArtifactError, match="cannot be withdrawn: production means it"):
        tracker.withdraw(NAME, 1, reason="old")
    tracker.remove_alias(NAME, "production")
    with pytest.raises(ArtifactNotFoundError, match="has no alias 'production'"):
        tracker.remove_alias(NAME, "production")
    tracker.withdraw(NAME, 1, reason="old")


def test_a_damaged_notice_of_withdrawal_is_named(tracker: ManifestTracker, root: Path) -> None:
    log(tracker)
    tracker.withdraw(NAME, 1, reason="old")
    (root / NAME / "v1" / "withdrawn.json").write_text("{")
    with pytest.raises(ManifestFormatError, match=r"v1/withdrawn\.json.*notice of withdrawal is"):
        tracker.resolve(f"{NAME}:v1")


def test_an_alias_of_a_version_that_is_gone(tracker: ManifestTracker, root: Path) -> None:
    log(tracker)
    log(tracker)
    tracker.set_alias(NAME, 2, "production")
    shutil.rmtree(root / NAME / "v2")
    with pytest.raises(
        ArtifactNotFoundError, match=r"aliases/production: .*:production means v2, which does not"
    ):
        tracker.resolve(f"{NAME}:production")
    assert tracker.resolve(NAME).version == 1


def test_a_store_without_links_is_remembered(
    root: Path, tracker: ManifestTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(_source: str, _target: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr("os.link", no_links)
        log(tracker)
    settings = json.loads((root / ".nemotron" / "store.json").read_bytes())
    assert settings["publish"] == "rename"
    log(ManifestTracker(root))
    assert whole_versions(root) == [1, 2]


def test_leftovers_are_invisible_and_removed_when_a_day_old(root: Path) -> None:
    log(ManifestTracker(root))
    staging = root / ".nemotron" / "staging"
    old, young = staging / "host-1-old", staging / "host-1-young"
    for leftover in (old, young):
        leftover.write_text("half")
    two_days_ago = time.time() - 2 * 86_400
    os.utime(old, (two_days_ago, two_days_ago))
    second = ManifestTracker(root)
    log(second)
    assert [path.name for path in staging.iterdir()] == ["host-1-young"]
    assert second.names() == [NAME]


def test_an_empty_version_folder_is_no_version(root: Path, tracker: ManifestTracker) -> None:
    log(tracker)
    (root / NAME / "v2").mkdir()
    assert tracker.versions(NAME) == [1]
    assert log(tracker) == f"{NAME}:v2"


def test_listing(tracker: ManifestTracker) -> None:
    assert tracker.names() == []
    for _ in range(11):
        log(tracker)
    log(tracker, name="alpha")
    assert tracker.names() == ["alpha", NAME]
    assert tracker.versions(NAME) == list(range(1, 12))


def test_an_alias_moves(tracker: ManifestTracker) -> None:
    for step in (10, 20):
        log(tracker, step)
    tracker.set_alias(NAME, 1, "production")
    assert tracker.resolve(f"{NAME}:production").value("step") == 10
    tracker.set_alias(NAME, 2, "production")
    assert tracker.resolve(f"art://{NAME}:production").value("step") == 20
    assert tracker.aliases(NAME) == {"production": 2}


def test_an_alias_needs_a_version(tracker: ManifestTracker) -> None:
    log(tracker)
    with pytest.raises(ArtifactNotFoundError, match=r"has no version v9\. It has v1\."):
        tracker.set_alias(NAME, 9, "production")
    with pytest.raises(InvalidReferenceError, match="'latest' cannot be an alias"):
        tracker.set_alias(NAME, 1, "latest")


def test_what_is_not_there_is_named_with_what_is(tracker: ManifestTracker, root: Path) -> None:
    with pytest.raises(ArtifactNotFoundError, match="holds no artifacts yet"):
        tracker.resolve(NAME)
    log(tracker)
    log(tracker)
    tracker.set_alias(NAME, 1, "staging")
    with pytest.raises(ArtifactNotFoundError, match=rf"{root}: .*Did you mean '{NAME}'"):
        tracker.resolve("nano3-sft-modle")
    with pytest.raises(ArtifactNotFoundError, match=r"has no version v3\. It has v1 to v2\."):
        tracker.resolve(f"{NAME}:3")
    with pytest.raises(ArtifactNotFoundError, match=r"Its aliases: staging\. Its versions: v1 to"):
        tracker.resolve(f"{NAME}:prod")
    with pytest.raises(ArtifactNotFoundError, match=r"has no field 'pack_size'.*It has: .*step"):
        tracker.resolve(NAME).value("pack_size")


def test_a_damaged_manifest_names_its_file_and_spares_the_others(
    root: Path, tracker: ManifestTracker
) -> None:
    log(tracker)
    log(tracker)
    damaged = root / NAME / "v1" / "manifest.json"
    damaged.write_text('{"name": "nano3')
    with pytest.raises(ManifestFormatError, match=rf"{damaged}: The manifest is damaged"):
        tracker.resolve(f"{NAME}:v1")
    assert tracker.versions(NAME) == [1, 2]
    assert tracker.resolve(NAME).version == 2


def test_a_copied_version_is_refused(root: Path, tracker: ManifestTracker) -> None:
    log(tracker)
    (root / NAME / "v1").rename(root / NAME / "v2")
    with pytest.raises(ManifestFormatError, match=rf"says that it is {NAME}:v1"):
        tracker.resolve(f"{NAME}:v2")


def test_a_root_that_is_a_file(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("")
    with pytest.raises(StoreError, match=r"Not a directory\. Choose a folder"):
        log(ManifestTracker(root))
    with pytest.raises(StoreError, match="Cannot read the artifact store: Not a directory"):
        ManifestTracker(root).resolve(NAME)


@pytest.mark.parametrize("root", ["", "   "])
def test_an_empty_root(root: str) -> None:
    with pytest.raises(StoreError, match=r"artifacts\.manifest\.root: The artifact root is empty"):
        ManifestTracker(root)


def test_a_scheme_that_is_not_supported() -> None:
    with pytest.raises(StoreError, match="ftp://host/x: Manifests cannot be kept on ftp://"):
        ManifestTracker("ftp://host/x")


def test_damaged_settings_are_named(root: Path) -> None:
    log(ManifestTracker(root))
    settings = root / ".nemotron" / "store.json"
    settings.write_text("{")
    with pytest.raises(StoreError, match=f"{settings}: The store's settings are damaged"):
        log(ManifestTracker(root))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 128 KiB; mounting one needs root."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(
    os.geteuid() != 0 and not os.environ.get("CI"), reason="mounting a tmpfs needs root"
)
def test_a_full_disk(small_disk: Path) -> None:
    tracker = ManifestTracker(small_disk / "artifacts")
    logged: list[str] = []

    def fill() -> None:
        while True:
            logged.append(log(tracker))

    with pytest.raises(StoreError, match=r"No space left on device.*Free some space"):
        fill()
    root = small_disk / "artifacts"
    assert len(logged) > 1
    assert whole_versions(root) == list(range(1, len(logged) + 1))
    assert tracker.resolve(NAME).ref == logged[-1]
    assert not list((root / ".nemotron" / "staging").iterdir())


def test_no_space_before_the_version_is_claimed(
    root: Path, tracker: ManifestTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    log(tracker)
    with monkeypatch.context() as patch:
        fail_sync(patch, 0)
        with pytest.raises(StoreError, match="No space left on device"):
            log(tracker)
    assert whole_versions(root) == [1]
    assert not list((root / ".nemotron" / "staging").iterdir())
    assert log(tracker) == f"{NAME}:v2"


@pytest.mark.parametrize("failing", [4, 5])
def test_no_space_after_the_version_is_claimed(
    root: Path,
    tracker: ManifestTracker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    failing: int,
) -> None:
    log(tracker)
    with monkeypatch.context() as patch:
        fail_sync(patch, failing)
        assert log(tracker) == f"{NAME}:v2"
    assert "No space left on device" in caplog.text
    assert ManifestTracker(root).resolve(NAME).version == 2
    assert not list((root / ".nemotron" / "staging").iterdir())


def fail_sync(patch: pytest.MonkeyPatch, failing: int) -> None:
    """Let the disk be full at one of the calls that make a write durable."""
    real_fsync, left = os.fsync, failing

    def fsync(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left == -1:
            raise OSError(errno.ENOSPC, "No space left on device")
        real_fsync(descriptor)

    patch.setattr("os.fsync", fsync)


@pytest.mark.parametrize("name", ["sp ace", "per%20cent", "ha#sh", "que?ry", "ünïcode"])
def test_a_file_url_is_taken_to_the_letter(tmp_path: Path, name: str) -> None:
    log(ManifestTracker(f"file://{tmp_path}/{name}"))
    assert whole_versions(tmp_path / name) == [1]


def test_the_home_of_nobody_is_one_sentence() -> None:
    with pytest.raises(ArtifactError, match="The home folder is not known"):
        ManifestTracker("~no-such-user/artifacts")


def test_folders_that_are_no_artifacts_are_no_names(root: Path, tracker: ManifestTracker) -> None:
    log(tracker)
    (root / "lost+found" / "v1").mkdir(parents=True)
    (root / "lost+found" / "v1" / "manifest.json").touch()
    assert tracker.names() == [NAME]


def test_what_others_left_behind_and_cannot_be_removed_stops_no_writer(root: Path) -> None:
    staging = root / ".nemotron" / "staging"
    staging.mkdir(parents=True)
    (staging / "loop").symlink_to(staging / "loop")
    assert log(ManifestTracker(root)) == f"{NAME}:v1"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_root_that_a_team_shares_stays_shared(root: Path, umask: int) -> None:
    root.mkdir()
    root.chmod(0o2775)
    before = os.umask(umask)
    try:
        tracker = ManifestTracker(root)
        log(tracker)
        tracker.set_alias(NAME, 1, "production")
    finally:
        os.umask(before)
    found = list(root.rglob("*"))
    folders = {path.stat().st_mode & 0o777 for path in found if path.is_dir()}
    files = {path.stat().st_mode & 0o777 for path in found if path.is_file()}
    assert (folders, files) == ({0o775}, {0o644})


def test_a_root_of_ones_own_stays_closed(root: Path, tracker: ManifestTracker) -> None:
    root.mkdir(mode=0o700)
    log(tracker)
    assert {path.stat().st_mode & 0o077 for path in root.rglob("*")} == {0}


def test_writers_leave_the_random_state_of_a_training_alone(
    root: Path, tracker: ManifestTracker
) -> None:
    write_versions(root, 40)
    state = random.getstate()
    (root / NAME / "latest").write_text("v3")
    assert log(tracker) == f"{NAME}:v41"
    assert random.getstate() == state


def test_an_unknown_name_is_told_apart_from_a_broken_neighbour(
    root: Path, tracker: ManifestTracker
) -> None:
    log(tracker)
    broken = root / "broken" / "v1" / "manifest.json"
    broken.parent.mkdir(parents=True)
    broken.symlink_to(broken)
    with pytest.raises(ArtifactNotFoundError, match=rf"Did you mean '{NAME}'"):
        tracker.resolve(NAME.replace("model", "modle"))


@pytest.mark.parametrize("hint", [None, "v9"])
def test_without_a_usable_hint_gaps_are_passed_over(
    root: Path, tracker: ManifestTracker, hint: str | None
) -> None:
    for step in range(5):
        log(tracker, step)
    shutil.rmtree(root / NAME / "v2")
    (root / NAME / "latest").unlink()
    if hint is not None:
        (root / NAME / "latest").write_text(hint)
    assert tracker.resolve(NAME).version == 5
    assert log(tracker) == f"{NAME}:v6"


def test_a_withdrawal_that_dies_halfway_leaves_no_hint_at_what_it_withdrew(
    tracker: ManifestTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in (10, 20):
        log(tracker, step)
    real, left = tracker.files.replace, [1]

    def die_after_one_write(path: str, data: bytes) -> None:
        if not left:
            raise StoreError("The connection is gone.", where=path)
        left.pop()
        real(path, data)

    monkeypatch.setattr(tracker.files, "replace", die_after_one_write)
    with pytest.raises(StoreError, match="The connection is gone"):
        tracker.withdraw(NAME, 2, reason="diverged")
    monkeypatch.undo()
    assert tracker.withdrawal(NAME, 2) is None
    assert tracker.resolve(NAME).version == 2
    tracker.withdraw(NAME, 2, reason="diverged")
    assert tracker.resolve(NAME).version == 1
