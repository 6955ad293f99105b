from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from nemo_runspec.artifacts import (
    Artifact,
    InputDatasetInfo,
    ModelArtifact,
    SFTDataArtifact,
    log_artifact,
    log_artifact_once,
    setup_artifact_tracking,
)
from nemo_runspec.artifacts.revisions import revision_of, revisions_of
from nemo_runspec.artifacts.tracking import ArtifactTrackingResult
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker


class TaggedFiles(MemoryFileSystem):  # type: ignore[misc]
    """Objects with ETags, as buckets have them; some paths answer badly or not at all."""

    protocol = "tagged"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    answered = threading.Event()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("tagged://", "memory://")))

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        if "broken" in path:
            raise RuntimeError("the service is on fire")
        if "silent" in path:
            self.answered.wait(30)
        found: dict[str, Any] = super().info(path, **kwargs)
        if found["type"] == "file" and "untagged" not in path:
            found["ETag"] = f'"{hashlib.md5(self.cat_file(path)).hexdigest()}"'  # noqa: S324 - as buckets do
        elif found["type"] == "file":
            found["LastModified"] = "2026-03-11T10:30:00Z"
        return found

    def find(self, path: str, **kwargs: Any) -> Any:
        return {name: self.info(name) for name in super().find(path, **{**kwargs, "detail": False})}


@pytest.fixture(autouse=True)
def bucket() -> Iterator[Any]:
    fsspec.register_implementation("tagged", TaggedFiles, clobber=True)
    files = fsspec.filesystem("tagged")
    yield files
    TaggedFiles.answered.set()
    TaggedFiles.answered.clear()
    files.store.clear()


@pytest.fixture
def tracking(tmp_path: Path) -> ArtifactTrackingResult:
    return setup_artifact_tracking({"artifacts": {"manifest": {"root": str(tmp_path / "store")}}})


def read(tmp_path: Path, ref: str) -> Manifest:
    return ManifestTracker(tmp_path / "store").find(ref)


def test_a_file_has_its_digest(tmp_path: Path) -> None:
    (tmp_path / "raw.jsonl").write_bytes(b"{}\n")
    digest = hashlib.sha256(b"{}\n").hexdigest()
    assert revision_of(str(tmp_path / "raw.jsonl")) == f"sha256:{digest}"
    assert revision_of(f"file://{tmp_path / 'raw.jsonl'}") == f"sha256:{digest}"


def test_a_large_file_has_its_time_and_size(tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    with file.open("wb") as stream:
        stream.truncate(65 << 20)
    os.utime(file, ns=(0, 1_700_000_000_123_456_789))
    assert revision_of(str(file)) == f"mtime:1700000000123456789,size:{65 << 20}"


def test_a_folder_has_the_digest_of_its_listing(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "a.txt").write_text("a")
    first = revision_of(str(folder))
    assert str(first).startswith("listing-sha256:")
    (folder / "metadata.json").write_text("{}")
    assert revision_of(str(folder)) == first
    os.utime(folder / "sub" / "a.txt", ns=(0, 1))
    rewritten = revision_of(str(folder))
    (folder / "sub" / "a.txt").rename(folder / "sub" / "b.txt")
    assert len({first, rewritten, revision_of(str(folder))}) == 3


def test_an_object_has_its_etag(bucket: Any) -> None:
    bucket.pipe_file("/b/raw.jsonl", b"1")
    bucket.pipe_file("/b/untagged.jsonl", b"1")
    assert revision_of("tagged://b/raw.jsonl") == "etag:c4ca4238a0b923820dcc509a6f75849b"
    assert revision_of("tagged://b/untagged.jsonl") == "mtime:2026-03-11T10:30:00Z,size:1"


def test_a_prefix_has_the_digest_of_its_etags(bucket: Any) -> None:
    bucket.pipe_file("/b/data/a", b"1")
    first = revision_of("tagged://b/data")
    assert str(first).startswith("listing-sha256:")
    bucket.pipe_file("/b/data/a", b"2")
    assert revision_of("tagged://b/data") != first


@pytest.mark.parametrize("uri", ["tagged://b/gone", "tagged://b/broken", "no-such://x", "gone"])
def test_what_cannot_be_looked_up_has_none(uri: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert revision_of(uri) is None
    assert f"{uri} has no revision" in caplog.text


def test_a_storage_that_does_not_answer_is_not_waited_for(
    bucket: Any, caplog: pytest.LogCaptureFixture
) -> None:
    bucket.pipe_file("/b/quick", b"1")
    found = revisions_of(["tagged://b/silent", "tagged://b/quick"], timeout_s=1.0)
    assert list(found) == ["tagged://b/quick"]
    assert "The storage of raw inputs did not answer in 1 s" in caplog.text


def test_raw_inputs_are_recorded_with_their_revisions(
    tracking: ArtifactTrackingResult, tmp_path: Path, bucket: Any
) -> None:
    bucket.pipe_file("/b/raw.jsonl", b"1")
    (tmp_path / "loaded").mkdir()
    (tmp_path / "own.txt").write_text("own")
    sources = [
        InputDatasetInfo(uri="tagged://b/raw.jsonl"),
        InputDatasetInfo(uri="tagged://b/broken"),
        InputDatasetInfo(uri=str(tmp_path / "own.txt"), revision="sha256:told"),
    ]
    Artifact.load(tmp_path / "loaded")
    artifact = SFTDataArtifact(path=tmp_path / "data", pack_size=1, source_datasets=sources)
    recorded = read(tmp_path, log_artifact(artifact, tracking, name="data").ref)
    assert recorded.inputs == [
        str(tmp_path / "loaded"),
        "tagged://b/raw.jsonl",
        "tagged://b/broken",
        str(tmp_path / "own.txt"),
    ]
    revisions = recorded.input_revisions
    assert revisions.pop(str(tmp_path / "loaded")).startswith("listing-sha256:")
    assert revisions == {
        "tagged://b/raw.jsonl": "etag:c4ca4238a0b923820dcc509a6f75849b",
        str(tmp_path / "own.txt"): "sha256:told",
    }


def test_the_revision_is_that_of_the_time_of_reading(
    tracking: ArtifactTrackingResult, tmp_path: Path
) -> None:
    raw = tmp_path / "raw.jsonl"
    raw.write_text("old")
    tracking.resolve(str(raw))
    before = revision_of(str(raw))
    raw.write_text("new")
    logged = log_artifact(ModelArtifact(path=tmp_path / "m", step=1), tracking, name="model")
    assert read(tmp_path, logged.ref).input_revisions == {str(raw): before}


def test_changed_raw_data_makes_a_new_version(
    tracking: ArtifactTrackingResult, tmp_path: Path
) -> None:
    raw = tmp_path / "raw.jsonl"
    artifact = SFTDataArtifact(
        path=tmp_path / "data", pack_size=1, source_datasets=[InputDatasetInfo(uri=str(raw))]
    )
    versions: list[int | None] = []
    for content in ("one", "one", "two"):
        raw.write_text(content)
        versions.append(log_artifact_once(artifact, tracking, name="data").version)
    raw.unlink()
    versions.append(log_artifact_once(artifact, tracking, name="data").version)
    assert versions == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("uri", "recorded"),
    [
        (
            "https://b.host/raw?X-Amz-Credential=AK&X-Amz-Expires=60&X-Amz-Signature=abc",
            "https://b.host/raw?X-Amz-Credential=***&X-Amz-Expires=60&X-Amz-Signature=***",
        ),
        ("https://b.host/raw?sv=2024&sig=a%2Fb%3D", "https://b.host/raw?sv=2024&sig=***"),
        ("https://b.host/x?x-goog-signature=ab&n=1", "https://b.host/x?x-goog-signature=***&n=1"),
        ("gs://bucket/raw?generation=17", "gs://bucket/raw?generation=17"),
    ],
)
def test_what_signs_an_address_is_not_recorded(
    tracking: ArtifactTrackingResult, tmp_path: Path, uri: str, recorded: str
) -> None:
    source = InputDatasetInfo(uri=uri, revision="etag:1")
    artifact = SFTDataArtifact(path=tmp_path / "data", pack_size=1, source_datasets=[source])
    manifest = read(tmp_path, log_artifact(artifact, tracking, name="data").ref)
    assert manifest.inputs == [recorded]
    assert manifest.input_revisions == {recorded: "etag:1"}
    assert manifest.metadata["source_datasets"][0]["uri"] == recorded
