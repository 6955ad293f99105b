from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from errno import ENOENT, EROFS
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.registry import _registry, known_implementations
from omegaconf import OmegaConf

from nemo_runspec.artifacts import (
    Artifact,
    ModelArtifact,
    SFTDataArtifact,
    current_tracking,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.artifacts.scope import CURRENT
from nemo_runspec.errors import (
    ArtifactError,
    ArtifactFileNotFoundError,
    InvalidReferenceError,
    ReadOnlyArtifactError,
)
from nemo_runspec.manifest_tracker import ManifestTracker


@pytest.fixture
def fs() -> Any:
    return fsspec.filesystem("art")


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {"artifacts": {"manifest": {"root": str(tmp_path / "store")}}}


@pytest.fixture(params=["local", "memory"])
def data(request: pytest.FixtureRequest, tmp_path: Path, config: dict[str, Any]) -> str:
    """The folder of ``nano3-sft-data:v1``, on one of two storages."""
    place = str(tmp_path / "data") if request.param == "local" else f"memory://{tmp_path.name}"
    storage, folder = fsspec.core.url_to_fs(place)
    storage.makedirs(f"{folder}/splits/train")
    storage.pipe_file(f"{folder}/blend.json", b'{"train": []}')
    storage.pipe_file(f"{folder}/splits/train/a.parquet", b"aaaa")
    storage.pipe_file(f"{folder}/splits/train/b.parquet", b"bb")
    with setup_artifact_tracking(config):
        artifact = SFTDataArtifact.model_validate({"path": place, "pack_size": 8})
        log_artifact(artifact, name="nano3-sft-data")
    setup_artifact_tracking(config)
    return place


@pytest.mark.usefixtures("data")
def test_a_file_is_read_through_a_reference() -> None:
    with fsspec.open("art://nano3-sft-data:latest/blend.json") as stream:
        assert stream.read() == b'{"train": []}'
    with fsspec.open("art://nano3-sft-data/blend.json", "rt", encoding="utf-8") as text:
        assert text.read() == '{"train": []}'


@pytest.mark.usefixtures("data")
def test_what_lies_in_an_artifact(fs: Any) -> None:
    train = "nano3-sft-data:v1/splits/train"
    shards = [f"{train}/a.parquet", f"{train}/b.parquet"]
    assert "nano3-sft-data:v1/blend.json" in fs.ls("art://nano3-sft-data:v1", detail=False)
    assert sorted(fs.ls(f"art://{train}", detail=False)) == shards
    assert fs.ls(f"art://{shards[0]}", detail=False) == shards[:1]
    assert fs.glob("art://nano3-sft-data:v1/**/*.parquet") == shards
    assert fs.find("art://nano3-sft-data:v1/splits") == shards
    walked = {folder: files for folder, _, files in fs.walk("art://nano3-sft-data:v1/splits")}
    assert sorted(walked[train]) == ["a.parquet", "b.parquet"]


@pytest.mark.usefixtures("data")
def test_what_a_path_is(fs: Any, tmp_path: Path) -> None:
    assert fs.info("art://nano3-sft-data/splits")["type"] == "directory"
    entry = fs.info("art://nano3-sft-data/splits/train/a.parquet")
    assert (entry["name"], entry["size"]) == ("nano3-sft-data/splits/train/a.parquet", 4)
    assert fs.isdir("art://nano3-sft-data:v1")
    assert fs.exists("art://nano3-sft-data/blend.json")
    assert not fs.exists("art://nano3-sft-data/gone.json")
    assert not fs.exists("art://gone")
    assert fs.cat_file("art://nano3-sft-data/splits/train/a.parquet", start=1, end=3) == b"aa"
    fs.get("art://nano3-sft-data/splits", str(tmp_path / "copy"), recursive=True)
    assert (tmp_path / "copy" / "train" / "b.parquet").read_bytes() == b"bb"


@pytest.mark.usefixtures("data")
def test_an_artifact_may_be_one_file(fs: Any, tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"w")
    Artifact(path=tmp_path / "weights.bin").save(name="weights")
    assert fs.cat_file("art://weights:v1") == b"w"
    assert fs.ls("art://weights:v1", detail=False) == ["weights:v1"]


@pytest.mark.parametrize("version", ["", ":latest", ":v1"])
def test_a_colon_in_a_path_makes_no_owner(
    fs: Any, tmp_path: Path, config: dict[str, Any], version: str
) -> None:
    folder = tmp_path / "logs"
    (folder / "days").mkdir(parents=True)
    (folder / "days" / "10:00.json").write_text("{}")
    log_artifact(Artifact(path=folder), setup_artifact_tracking(config), name="logs")
    assert fs.cat_file(f"art://logs{version}/days/10:00.json") == b"{}"


@pytest.mark.usefixtures("data")
def test_a_transaction_reads(fs: Any) -> None:
    with fs.transaction, fs.open("art://nano3-sft-data/blend.json") as stream:
        assert stream.read() == b'{"train": []}'


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize("path", ["x y", "nano3-sft-data:v1/../x", "gone/x"])
def test_what_no_reference_means_does_not_exist(fs: Any, path: str) -> None:
    assert not fs.exists(f"art://{path}")


@pytest.mark.usefixtures("data")
def test_what_is_read_is_a_pinned_input(config: dict[str, Any], tmp_path: Path) -> None:
    with setup_artifact_tracking(config) as tracking:
        fsspec.open("art://nano3-sft-data:latest/blend.json").open().close()
        logged = log_artifact(ModelArtifact(path=tmp_path / "m", step=1), tracking, name="model")
    recorded = ManifestTracker(tmp_path / "store").find(logged.ref)
    assert (recorded.used_artifacts, recorded.inputs) == (["nano3-sft-data:v1"], [])


def test_latest_keeps_its_first_meaning(data: str, config: dict[str, Any], tmp_path: Path) -> None:
    tracking = setup_artifact_tracking(config)
    assert tracking.resolve("nano3-sft-data").version == 1
    newer = SFTDataArtifact.model_validate({"path": str(tmp_path / "newer"), "pack_size": 8})
    log_artifact(newer, tracking, name="nano3-sft-data")
    for spelling in ("nano3-sft-data", "nano3-sft-data:latest"):
        with fsspec.open(f"art://{spelling}/blend.json") as stream:
            assert stream.read() == b'{"train": []}'
    assert tracking.resolve("art://nano3-sft-data:latest/splits").path == f"{data}/splits"


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone/blend.json", r"art://gone/blend\.json: No artifact is named 'gone'"),
        ("nano3-sft-data:v7/x", "'nano3-sft-data' has no version v7"),
        ("nano3-sft-data:production/x", "has no alias 'production'"),
        ("nano3-sft-data:v1/gone.json", r"art://nano3-sft-data:v1/gone\.json: The artifact has"),
        ("", "The path names no artifact"),
    ],
)
def test_what_is_not_there_is_no_file_to_libraries(fs: Any, path: str, message: str) -> None:
    for read in (fs.open, fs.info, fs.ls, fs.cat_file):
        with pytest.raises(FileNotFoundError, match=message) as caught:
            read(f"art://{path}")
        assert isinstance(caught.value, ArtifactFileNotFoundError)
        assert isinstance(pickle.loads(pickle.dumps(caught.value)), FileNotFoundError)  # noqa: S301 - our own bytes


def test_what_a_missing_file_is_to_code_that_looks_closer() -> None:
    error = ArtifactFileNotFoundError("The artifact has no such file.")
    assert (error.errno, ReadOnlyArtifactError("x").errno) == (ENOENT, EROFS)


def test_a_path_out_of_the_artifact_is_refused(fs: Any, config: dict[str, Any]) -> None:
    setup_artifact_tracking(config)
    with pytest.raises(InvalidReferenceError, match=r"'\.\./secret' is no path inside"):
        fs.open("art://nano3-sft-data:v1/../secret")


def test_without_tracking_it_is_said_how_to_turn_it_on(fs: Any) -> None:
    setup_artifact_tracking({"artifacts": {"manifest": {"root": None}}})
    with pytest.raises(ArtifactError, match="artifact tracking is off"):
        fs.open("art://nano3-sft-data/blend.json")


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    "write",
    [
        lambda fs: fs.open("art://nano3-sft-data/x", "wb"),
        lambda fs: fs.open("art://nano3-sft-data/x", "ab"),
        lambda fs: fs.pipe_file("art://nano3-sft-data/x", b""),
        lambda fs: fs.pipe("art://nano3-sft-data/x", b""),
        lambda fs: fs.touch("art://nano3-sft-data/x"),
        lambda fs: fs.put_file("/etc/hostname", "art://nano3-sft-data/x"),
        lambda fs: fs.mkdir("art://nano3-sft-data/x"),
        lambda fs: fs.makedirs("art://nano3-sft-data/x"),
        lambda fs: fs.rm("art://nano3-sft-data/x"),
        lambda fs: fs.rm_file("art://nano3-sft-data/x"),
        lambda fs: fs.cp_file("art://nano3-sft-data/blend.json", "art://nano3-sft-data/x"),
        lambda fs: fs.mv("art://nano3-sft-data/blend.json", "art://nano3-sft-data/x"),
    ],
)
def test_nothing_is_written(fs: Any, write: Any) -> None:
    message = r"^art://nano3-sft-data/x: What was recorded cannot be written through its ref"
    with pytest.raises(ReadOnlyArtifactError, match=message) as caught:
        write(fs)
    assert isinstance(caught.value, PermissionError)
    assert len(fs.find("art://nano3-sft-data/splits")) == 2


def test_fsspec_finds_it_by_its_entry_point() -> None:
    (found,) = entry_points(group="fsspec.specs", name="art")
    assert found.load() is fsspec.get_filesystem_class("art")


def test_setup_registers_it_where_there_are_no_entry_points(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(known_implementations, "art", raising=False)
    monkeypatch.delitem(_registry, "art", raising=False)
    with pytest.raises(ValueError, match="Protocol not known: art"):
        fsspec.get_filesystem_class("art")
    setup_artifact_tracking(config)
    assert fsspec.get_filesystem_class("art").__name__ == "ArtifactFileSystem"


def test_threads_that_start_together_share_one_tracking(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"w")
    Artifact(path=tmp_path / "weights.bin").save(name="weights")
    CURRENT.set(None)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: current_tracking(), range(32)))
    assert {id(one) for one in found} == {id(current_tracking())}


def test_loading_from_a_reference_is_loading_through_it(data: str) -> None:
    loaded = SFTDataArtifact.load("art://nano3-sft-data:v1")
    assert (str(loaded.path), loaded.version) == (data, 1)
    assert current_tracking().inputs == ["nano3-sft-data:v1"]


def test_a_reference_with_a_path_works_wherever_a_reference_does(
    data: str, config: dict[str, Any]
) -> None:
    job = OmegaConf.create(
        {
            **config,
            "run": {"data": "art://nano3-sft-data:v1/splits/train"},
            "by_key": "${art:data}/a.parquet",
            "by_field": "${art:data,pack_size}",
            "direct": "${art:'art://nano3-sft-data/splits/train/a.parquet'}",
            "bare": "${art:art://nano3-sft-data:1/blend.json,path}",
        }
    )
    tracking = setup_artifact_tracking(job)
    assert (job.by_key, job.by_field) == (f"{data}/splits/train/a.parquet", 8)
    assert (job.direct, job.bare) == (f"{data}/splits/train/a.parquet", f"{data}/blend.json")
    loaded = SFTDataArtifact.from_uri("art://nano3-sft-data/splits")
    assert (str(loaded.path), loaded.pack_size) == (f"{data}/splits", 8)
    assert tracking.inputs == ["nano3-sft-data:v1"]
