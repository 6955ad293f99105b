from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.artifacts import Artifact, ModelArtifact
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.manifest_tracker import Content, ManifestTracker


def recorded(root: Path, artifact: Artifact) -> Content | None:
    """The content of the manifest that is written for an artifact."""
    tracker = ManifestTracker(root / "artifacts")
    logged = tracker.log(artifact, name="measured", lineage=Lineage())
    return tracker.find(logged.ref).content


def measured(root: Path, artifact: Artifact) -> Content:
    content = recorded(root, artifact)
    assert content is not None
    return content


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        os.utime(folder / name, ns=(1, 1_700_000_000_000_000_001))
    return folder


def test_a_dataset_is_digested_file_by_file(tmp_path: Path) -> None:
    data = write(tmp_path / "data", {"b.txt": "bb", "a/x.txt": "a"})
    content = measured(tmp_path, Artifact(path=data))
    assert (content.bytes, content.files, content.path) == (3, 2, None)
    assert content.entries is not None
    assert list(content.entries) == ["a/x.txt", "b.txt"]
    assert content.entries["b.txt"].digest == f"sha256:{hashlib.sha256(b'bb').hexdigest()}"
    assert content.entries["b.txt"].modified_ns == 1_700_000_000_000_000_001


def test_equal_content_elsewhere_is_measured_equally(tmp_path: Path) -> None:
    files = {f"shard-{number}": str(number) for number in range(30)}
    first = measured(tmp_path, Artifact(path=write(tmp_path / "one", files)))
    second = measured(
        tmp_path, Artifact(path=write(tmp_path / "two", dict(reversed(files.items()))))
    )
    assert first == second


@pytest.mark.parametrize(
    "change", [{"a": "x", "c": "y"}, {"a": "x", "b": "z"}, {"a": "xy", "b": ""}, {"a": "x"}]
)
def test_every_change_changes_the_digest(tmp_path: Path, change: dict[str, str]) -> None:
    before = measured(tmp_path, Artifact(path=write(tmp_path / "before", {"a": "x", "b": "y"})))
    after = measured(tmp_path, Artifact(path=write(tmp_path / "after", change)))
    assert before.digest != after.digest


OURS = '{"type": "Artifact", "path": "/data"}'


def test_our_own_metadata_is_no_content_but_only_at_the_top(tmp_path: Path) -> None:
    data = write(tmp_path / "data", {"metadata.json": OURS, "part/metadata.json": OURS})
    content = measured(tmp_path, Artifact(path=data))
    assert list(content.entries or {}) == ["part/metadata.json"]


@pytest.mark.parametrize("foreign", ["{}", '{"type": "x"}', '["type", "path"]', "no JSON", ""])
def test_the_metadata_of_another_software_is_content(tmp_path: Path, foreign: str) -> None:
    data = write(tmp_path / "data", {"metadata.json": foreign})
    content = measured(tmp_path, Artifact(path=data))
    assert list(content.entries or {}) == ["metadata.json"]


def test_a_store_below_the_path_is_no_content(tmp_path: Path) -> None:
    write(tmp_path, {"train.py": "", ".nemotron/runs/demo/job.yaml": "x"})
    first = measured(tmp_path, Artifact(path=tmp_path))
    assert list(first.entries or {}) == ["train.py"]
    assert measured(tmp_path, Artifact(path=tmp_path)) == first


def test_links_are_counted_and_never_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", {"large": "x" * 1000})
    data = write(tmp_path / "data", {"a": "x"})
    (data / "link").symlink_to(outside / "large")
    (data / "folder").symlink_to(outside)
    (data / "circle").symlink_to(data)
    content = measured(tmp_path, Artifact(path=data))
    assert content.files == 4
    assert content.bytes < 1000
    (tmp_path / "as-link").symlink_to(data)
    assert measured(tmp_path, Artifact(path=tmp_path / "as-link")).digest == content.digest


def test_a_pipe_below_the_path_is_not_opened(tmp_path: Path) -> None:
    data = write(tmp_path / "data", {"a": "x"})
    os.mkfifo(data / "pipe")
    assert measured(tmp_path, Artifact(path=data)).files == 2


def test_one_file_is_measured_under_its_name(tmp_path: Path) -> None:
    data = write(tmp_path, {"corpus.jsonl": "{}\n"})
    content = measured(tmp_path, Artifact(path=data / "corpus.jsonl"))
    assert (content.bytes, list(content.entries or {})) == (3, ["corpus.jsonl"])


def test_a_name_that_is_no_utf8_is_recorded(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / os.fsdecode(b"caf\xe9")).write_text("x")
    content = measured(tmp_path, Artifact(path=data))
    assert list(content.entries or {}) == [r"caf\xe9"]


def test_of_a_checkpoint_its_own_iteration_is_measured_and_not_read(tmp_path: Path) -> None:
    save_dir = write(tmp_path / "ckpt", {"iter_1/a": "1", "iter_2/a": "22", "latest": "2"})
    own = save_dir / "iter_2"
    metadata: dict[str, Any] = {"absolute_path": str(own)}
    content = measured(tmp_path, ModelArtifact(path=save_dir, step=2, metadata=metadata))
    assert (content.bytes, content.files, content.path) == (2, 1, str(own))
    assert content.digest is None
    assert content.listing is not None


def test_a_model_without_a_directory_of_its_own_is_measured_whole(tmp_path: Path) -> None:
    save_dir = write(tmp_path / "model", {"a": "1", "b": "2"})
    content = measured(tmp_path, ModelArtifact(path=save_dir, step=0))
    assert (content.files, content.path) == (2, None)


def test_very_many_files_are_counted_and_not_named(tmp_path: Path) -> None:
    data = write(tmp_path / "data", {f"{number:03}": "" for number in range(257)})
    content = measured(tmp_path, Artifact(path=data))
    assert (content.files, content.entries) == (257, None)
    assert content.digest is not None


def test_large_data_is_not_read(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    with (data / "sparse").open("wb") as stream:
        stream.truncate(256 * 2**20 + 1)
    content = measured(tmp_path, Artifact(path=data))
    assert content.digest is None
    assert content.listing is not None


def test_what_is_not_there_or_remote_is_not_measured(tmp_path: Path) -> None:
    assert recorded(tmp_path, Artifact(path=tmp_path / "nowhere")) is None
    assert recorded(tmp_path, Artifact(path="memory://bucket/data")) is None
    gone: dict[str, Any] = {"absolute_path": str(tmp_path / "gone")}
    assert recorded(tmp_path, ModelArtifact(path=tmp_path, step=1, metadata=gone)) is None
