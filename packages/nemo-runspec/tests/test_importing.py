from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from nemo_runspec.artifacts import ModelArtifact, PretrainBlendsArtifact
from nemo_runspec.artifacts.settings import TrackingSettings
from nemo_runspec.errors import NemotronError, UsageError
from nemo_runspec.importing import Description, describe_checkpoint, record_import
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.collection import data_of_withdrawn

TRACKER_FILE = "latest_checkpointed_iteration.txt"


def write(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def safetensors(values: int) -> bytes:
    offsets = [0, 4 * values]
    header = json.dumps({"w": {"dtype": "F32", "shape": [values], "data_offsets": offsets}})
    return struct.pack("<Q", len(header)) + header.encode() + b"\0" * (4 * values)


@pytest.fixture
def megatron(tmp_path: Path) -> Path:
    """A save directory with the steps 100 and 200."""
    save_dir = tmp_path / "save"
    for step in (100, 200):
        files = {"run_config.yaml": "a: 1\n", ".metadata": b"\1", "__0_0.distcp": b"weights"}
        write(save_dir / f"iter_{step:07d}", **files)
    return write(save_dir, **{TRACKER_FILE: "200\n"})


@pytest.fixture
def nemo_rl(tmp_path: Path) -> Path:
    folder = tmp_path / "grpo"
    for step in (5, 10):
        files = {"policy/weights/model.safetensors": safetensors(1), "training_info.json": "{}"}
        write(folder / f"step_{step}", **files)
    return folder


@pytest.fixture
def hf(tmp_path: Path) -> Path:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    return write(
        tmp_path / "hf",
        **{
            "config.json": '{"model_type": "nemotron_h"}',
            "model.safetensors.index.json": json.dumps(index),
            "model-1.safetensors": safetensors(2),
            "model-2.safetensors": safetensors(3),
        },
    )


@pytest.fixture
def models(megatron: Path, nemo_rl: Path) -> Path:
    """The folder of both."""
    assert megatron.parent == nemo_rl.parent
    return megatron.parent


def model(described: Description) -> ModelArtifact:
    assert isinstance(described.artifact, ModelArtifact)
    return described.artifact


def test_a_save_directory_says_its_step(megatron: Path) -> None:
    found = model(describe_checkpoint(megatron))
    assert (found.path, found.step, found.format) == (megatron, 200, "megatron")
    assert found.metadata == {
        "absolute_path": str(megatron / "iter_0000200"),
        "iteration": 200,
        "framework": "megatron-bridge",
        "imported": True,
    }


def test_of_an_iteration_the_path_is_the_save_directory(megatron: Path) -> None:
    described = describe_checkpoint(megatron / "iter_0000100", step=100)
    found = model(described)
    assert (found.path, found.step) == (megatron, 100)
    assert found.metadata["absolute_path"] == str(megatron / "iter_0000100")
    assert "load iter_0000200" in described.notes[0]
    assert not describe_checkpoint(megatron / "iter_0000200").notes


def test_an_iteration_without_its_save_directory_is_noted(megatron: Path) -> None:
    (megatron / TRACKER_FILE).unlink()
    assert TRACKER_FILE in describe_checkpoint(megatron / "iter_0000100").notes[0]


def test_a_converted_release_needs_a_step(megatron: Path) -> None:
    (megatron / TRACKER_FILE).write_text("release")
    write(megatron / "release", **{"common.pt": b"1"})
    found = model(describe_checkpoint(megatron, step=0))
    assert (found.step, found.metadata["framework"]) == (0, "megatron-lm")
    for place in (megatron, megatron / "release"):
        with pytest.raises(UsageError, match="does not say at which step"):
            describe_checkpoint(place)


def test_a_nemo_rl_checkpoint_is_recorded_as_its_hook_does(nemo_rl: Path) -> None:
    found = model(describe_checkpoint(nemo_rl))
    assert (found.path, found.step, found.format) == (nemo_rl, 10, "dcp")
    assert found.metadata["framework"] == "nemo-rl"
    earlier = describe_checkpoint(nemo_rl / "step_5")
    assert model(earlier).metadata["absolute_path"] == str(nemo_rl / "step_5")
    assert "load step_10" in earlier.notes[0]
    write(nemo_rl / "step_5" / "policy" / "weights" / "iter_0000000", **{"common.pt": b"1"})
    assert model(describe_checkpoint(nemo_rl / "step_5")).format == "megatron"


def test_a_hugging_face_folder_is_a_model(hf: Path) -> None:
    found = model(describe_checkpoint(hf, step=7))
    assert (found.path, found.step, found.format) == (hf, 7, "hf")
    assert found.metadata["absolute_path"] == str(hf)
    with pytest.raises(UsageError, match=r"does not say at which step.*--step N"):
        describe_checkpoint(hf)


def test_a_trainer_says_its_step(hf: Path) -> None:
    assert model(describe_checkpoint(hf.rename(hf.with_name("checkpoint-50")))).step == 50
    hf = hf.with_name("checkpoint-50")
    write(hf, **{"trainer_state.json": '{"global_step": 60}'})
    assert model(describe_checkpoint(hf)).step == 60


@pytest.mark.parametrize(
    ("place", "step", "message"),
    [
        ("save", 100, r"Step 100 was given, and latest_checkpointed_iteration.txt says 200"),
        ("save/iter_0000100", 200, "Step 200 was given, and iter_0000100 says 100"),
        ("grpo", 5, "Step 5 was given, and step_10 says 10"),
    ],
)
def test_a_step_that_the_checkpoint_contradicts_is_refused(
    models: Path, place: str, step: int, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        describe_checkpoint(models / place, step=step)


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def put(name: str, content: str | bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        write(folder, **{name: content})

    return change


def pipe(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return change


MEGATRON_FAULTS = [
    (remove(TRACKER_FILE), "has iter_0000100, iter_0000200 and no latest_checkpointed_iteration"),
    (put(TRACKER_FILE, "300"), r"iter_0000300: There is no checkpoint directory"),
    (put(TRACKER_FILE, "soon"), rf"{TRACKER_FILE}: It holds 'soon'"),
    (put(TRACKER_FILE, "9" * 5000), rf"{TRACKER_FILE}: It holds '9{{40}}…', which is no"),
    (pipe(TRACKER_FILE), rf"{TRACKER_FILE}: It cannot be read: It is no regular file"),
    (remove("iter_0000200/.metadata"), r"iter_0000200: The checkpoint has no \.metadata"),
]
HF_FAULTS = [
    (remove("model-2.safetensors"), r"model-2\.safetensors: The index names .* \(1 of 2"),
    (put("model-2.safetensors", safetensors(3)[:-1]), r"model-2\.safetensors: The file is cut"),
    (put("model-1.safetensors", "version https://git-lfs"), r"Git LFS pointer"),
    (put("model-1.safetensors", b""), "cut off"),
    (put("model-1.safetensors", struct.pack("<Q", 2) + b"[]"), "cut off"),
    (put("model-1.safetensors", struct.pack("<Q", 8) + b'{"a": 1}'), "cut off"),
    (put("model-1.safetensors", struct.pack("<Q", 4) + b"text"), "cut off"),
    (put("config.json", '{"a": 1,\n]'), r"config\.json:2:1: The file is no valid JSON"),
    (put("config.json", b"\xff"), r"config\.json: .*UTF-8"),
    (put("config.json", "[" * 200_000), r"config\.json: The file cannot be used: .*recursion"),
    (put("config.json", '{"a": 1' + "0" * 5000 + "}"), r"config\.json: The file cannot be used"),
    (pipe("config.json"), r"config\.json: It cannot be read: It is no regular file"),
    (put("model-1.safetensors", struct.pack("<Q", 60_000) + b"[" * 60_000), "cut off"),
    (
        put("model.safetensors.index.json", '{"weight_map": {"a": "../../w.safetensors"}}'),
        r"weight_map: The index names \.\./\.\./w\.safetensors, which lies outside",
    ),
    (put("config.json", "[]"), r"config\.json: The file holds a list"),
    (put("model.safetensors.index.json", "{}"), "weight_map: The index names no weights"),
]


@pytest.mark.parametrize(("damage", "message"), MEGATRON_FAULTS)
def test_a_fault_of_a_save_directory_is_named(
    megatron: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(megatron)
    with pytest.raises(NemotronError, match=message):
        describe_checkpoint(megatron)


@pytest.mark.parametrize(("damage", "message"), HF_FAULTS)
def test_a_fault_of_a_hugging_face_folder_is_named(
    hf: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(hf)
    with pytest.raises(NemotronError, match=message):
        describe_checkpoint(hf, step=1)


def test_weights_without_their_index_are_refused(tmp_path: Path) -> None:
    part = {"config.json": "{}", "model-00001-of-00002.safetensors": safetensors(1)}
    with pytest.raises(NemotronError, match="the index that names all parts is missing"):
        describe_checkpoint(write(tmp_path / "part", **part), step=1)
    with pytest.raises(NemotronError, match=r"a config\.json and no weights"):
        describe_checkpoint(write(tmp_path / "bare", **{"config.json": "{}"}), step=1)


def test_empty_weights_and_a_step_that_is_no_number_are_refused(tmp_path: Path) -> None:
    files = {"config.json": "{}", "pytorch_model.bin": ""}
    folder = write(tmp_path / "hf", **files)
    with pytest.raises(NemotronError, match=r"pytorch_model\.bin: The file is cut off"):
        describe_checkpoint(folder, step=1)
    write(folder, **{"pytorch_model.bin": "weights", "trainer_state.json": '{"global_step": true}'})
    with pytest.raises(UsageError, match="step"):
        describe_checkpoint(folder)


def test_what_is_no_model_is_refused(nemo_rl: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "iter_0000001").mkdir()
    write(tmp_path / "other", **{"notes.txt": "hello"})
    (nemo_rl / "step_10").rename(nemo_rl / "tmp_step_10")
    refused = {
        "empty": "empty: The folder is empty. Give the folder",
        "other": "No model was found in this folder. A model is a Megatron save directory",
        "other/notes.txt": "A model is a folder, and this is a file",
        "nowhere": "nowhere: The path does not exist",
        "grpo/tmp_step_10": "never finished",
    }
    for place, message in refused.items():
        with pytest.raises(NemotronError, match=message):
            describe_checkpoint(tmp_path / place, step=1)
    with pytest.raises(UsageError, match=r"s3://b/model: .* remote storage"):
        describe_checkpoint("s3://b/model", step=1)


@pytest.fixture
def settings(tmp_path: Path) -> TrackingSettings:
    return TrackingSettings(root=str(tmp_path / "store"))


def imported(place: Path, settings: TrackingSettings) -> str:
    described = describe_checkpoint(place)
    return record_import(described, source=place, name="m", settings=settings).ref


def test_an_import_starts_a_chain_and_says_so(megatron: Path, settings: TrackingSettings) -> None:
    assert imported(megatron, settings) == "m:v1"
    manifest = ManifestTracker(str(settings.root)).read("m", 1)
    story = manifest.provenance["imported"]
    assert story["from"] == str(megatron)
    assert story["at"][-6] in "+-"
    assert manifest.used_artifacts == []
    assert manifest.inputs == []
    assert "git_commit" not in manifest.provenance
    assert manifest.kind == "model"
    assert json.loads((megatron / "metadata.json").read_text())["step"] == 200


def test_an_unchanged_model_is_not_recorded_twice(
    megatron: Path, settings: TrackingSettings
) -> None:
    assert imported(megatron, settings) == "m:v1"
    assert imported(megatron, settings) == "m:v1"
    (megatron / "iter_0000200" / "__0_0.distcp").write_bytes(b"other weights")
    assert imported(megatron, settings) == "m:v2"
    write(megatron / "iter_0000300", **{"common.pt": b"1"})
    write(megatron, **{TRACKER_FILE: "300"})
    assert imported(megatron, settings) == "m:v3"
    assert json.loads((megatron / "metadata.json").read_text())["version"] == 3


def test_a_record_of_the_training_job_is_read_and_kept(
    megatron: Path, settings: TrackingSettings
) -> None:
    own = ModelArtifact(
        path=megatron,
        step=200,
        loss=1.25,
        metadata={"absolute_path": str(megatron / "iter_0000200"), "iteration": 200},
    )
    own.write_metadata()
    before = (megatron / "metadata.json").read_bytes()
    assert model(describe_checkpoint(megatron)).loss == 1.25
    assert model(describe_checkpoint(megatron / "iter_0000100")).loss is None
    imported(megatron, settings)
    assert (megatron / "metadata.json").read_bytes() == before


def test_another_softwares_metadata_is_left_alone(hf: Path, settings: TrackingSettings) -> None:
    write(hf, **{"metadata.json": '{"sharded_backend": "torch_dist"}', "trainer_state.json": "{}"})
    described = describe_checkpoint(hf, step=3)
    record_import(described, source=hf, name="m", settings=settings)
    assert (hf / "metadata.json").read_text() == '{"sharded_backend": "torch_dist"}'


def test_what_an_import_names_elsewhere_is_an_input_and_its_data_stays(
    tmp_path: Path, settings: TrackingSettings
) -> None:
    assert settings.root is not None
    tracker = ManifestTracker(settings.root)
    for folder in ("token-parts", "other", "mix"):
        artifact = PretrainBlendsArtifact(path=write(tmp_path / folder, shard="x"))
        outside = (str(tmp_path / "token-parts" / "shard"),) if folder == "mix" else ()
        described = Description(artifact, outside=outside)
        for _ in range(2):
            record_import(described, source=artifact.path, name=folder, settings=settings)
    manifest = tracker.find("mix:v1")
    assert manifest.inputs == [str(tmp_path / "token-parts" / "shard")]
    assert manifest.input_revisions[manifest.inputs[0]].startswith("sha256:")
    assert tracker.versions("mix") == [1]
    for name in ("token-parts", "other"):
        tracker.withdraw(name, 1, reason="old")
    found = {Path(each.path).name: each.obstacle for each in data_of_withdrawn(tracker)}
    assert found == {"token-parts": "mix:v1 needs it", "other": None}


def test_a_name_that_is_none_records_nothing(megatron: Path, settings: TrackingSettings) -> None:
    described = Description(PretrainBlendsArtifact(path=megatron))
    with pytest.raises(UsageError, match="no artifact name"):
        record_import(described, source=megatron, name="-x", settings=settings)
    assert not Path(str(settings.root)).exists()
