from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from nemo_runspec.artifacts import (
    Artifact,
    DataBlendsArtifact,
    InputDatasetInfo,
    ModelArtifact,
    PretrainBlendsArtifact,
    RemotePath,
    SFTDataArtifact,
    SplitJsonlDataArtifact,
)
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError


class MyDataArtifact(Artifact):
    """The documents' own example of a custom type."""

    num_samples: Annotated[int, Field(ge=0, description="Number of samples")]
    source_url: Annotated[str | None, Field(default=None, description="Data source")]
    compression: Annotated[str, Field(default="none", description="Compression type")]


class MyModelArtifact(Artifact):
    step: int

    def get_wandb_files(self) -> list[tuple[str, str]]:
        files = super().get_wandb_files()
        config_path = self.path / "config.yaml"
        if config_path.exists():
            files.append((str(config_path), "config.yaml"))
        return files

    def get_wandb_references(self) -> list[tuple[str, str]]:
        return [(f"file://{self.path.resolve()}", "checkpoint")]


def test_type_and_kind_follow_the_class() -> None:
    artifact = ModelArtifact(path=Path("/checkpoints"), step=10)
    assert (artifact.type, artifact.kind, artifact.iteration) == ("ModelArtifact", "model", 10)
    assert Artifact(path=Path("/data")).type == "Artifact"


def test_two_names_for_one_class() -> None:
    assert DataBlendsArtifact is PretrainBlendsArtifact


@pytest.mark.parametrize("uri", ["s3://bucket/x", "hf://org/repo@rev", "gs://b//odd/../key/"])
def test_a_uri_is_never_mangled(uri: str) -> None:
    artifact = Artifact.model_validate({"path": uri})
    assert isinstance(artifact.path, RemotePath)
    assert str(artifact.path) == uri
    assert artifact.model_dump(mode="json")["path"] == uri


def test_a_remote_path_walks_like_a_path() -> None:
    place = RemotePath("s3://bucket/runs/1")
    assert str(place / "blend.json") == "s3://bucket/runs/1/blend.json"
    assert (place.name, str(place.parent)) == ("1", "s3://bucket/runs")
    assert place.resolve() == place
    with pytest.raises(ValueError, match="'/local' is no URI"):
        RemotePath("/local")


def test_a_field_that_the_type_lacks_is_refused() -> None:
    with pytest.raises(ValidationError, match="has no field 'pack_sise'; did you mean 'pack_size'"):
        SFTDataArtifact.model_validate({"path": "/data", "pack_sise": 4096, "pack_size": 1})


def test_metadata_cannot_shadow_a_field() -> None:
    with pytest.raises(ValidationError, match="metadata repeats the field 'step'"):
        ModelArtifact(path=Path("/m"), step=1, metadata={"step": 2})


def test_saving_writes_metadata_beside_the_data_and_records_a_version(tmp_path: Path) -> None:
    data = tmp_path / "output" / "my_data"
    data.mkdir(parents=True)
    artifact = MyDataArtifact.model_validate({"path": data, "num_samples": 10000})
    artifact.save(name="MyDataArtifact-custom")
    written = json.loads((data / "metadata.json").read_bytes())
    assert (written["num_samples"], written["compression"]) == (10000, "none")
    assert (written["name"], written["version"]) == ("MyDataArtifact-custom", 1)
    assert artifact.version == 1
    loaded = MyDataArtifact.from_uri("art://MyDataArtifact-custom:latest")
    assert (loaded.num_samples, loaded.path) == (10000, data)
    assert MyDataArtifact.load(path=data).num_samples == 10000
    assert MyDataArtifact.load(str(data)).num_samples == 10000


def test_an_artifact_is_found_again_by_its_type(tmp_path: Path) -> None:
    saved = MyDataArtifact.model_validate({"path": tmp_path / "d", "num_samples": 3})
    saved.save(name="custom")
    assert isinstance(Artifact.from_uri("art://custom"), MyDataArtifact)


def test_an_unknown_type_loads_as_artifact_with_its_fields(tmp_path: Path) -> None:
    document = {"path": "/data", "type": "FromTheFuture", "num_heads": 8, "metadata": {"a": 1}}
    (tmp_path / "metadata.json").write_text(json.dumps(document))
    artifact = Artifact.load(tmp_path)
    assert type(artifact) is Artifact
    assert artifact.type == "FromTheFuture"
    assert artifact.model_extra == {"num_heads": 8}
    assert artifact.metadata == {"a": 1}


def test_a_field_of_a_newer_release_is_kept_as_metadata() -> None:
    document = {"path": "/d", "type": "ModelArtifact", "step": 3, "tokens_seen": 9}
    assert ModelArtifact.from_document(document, where="m").metadata == {"tokens_seen": 9}


def test_a_record_of_another_type_is_refused() -> None:
    document = {"path": "/d", "type": "ModelArtifact", "step": 3}
    with pytest.raises(ArtifactError, match="m: The artifact is ModelArtifact, not SFTData"):
        SFTDataArtifact.from_document(document, where="m")


def test_loading_without_a_required_field(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=rf"{tmp_path}: This is no usable SFTData.*pack_size: Field required"
    ):
        SFTDataArtifact.load(tmp_path)


def test_damaged_metadata_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "metadata.json").write_text("{")
    with pytest.raises(ArtifactError, match=rf"{tmp_path}/metadata.json: The metadata is no JSON"):
        Artifact.load(tmp_path)


def test_from_uri_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'nothing'"):
        ModelArtifact.from_uri("art://nothing:latest")


def test_uploads_are_chosen_by_overriding(tmp_path: Path) -> None:
    artifact = MyModelArtifact(path=tmp_path, step=1)
    assert artifact.get_wandb_files() == []
    (tmp_path / "config.yaml").write_text("a: 1")
    artifact.write_metadata()
    assert [name for _, name in artifact.get_wandb_files()] == ["metadata.json", "config.yaml"]
    assert artifact.get_wandb_references() == [(f"file://{tmp_path}", "checkpoint")]
    assert Artifact.model_validate({"path": "s3://b/x"}).get_wandb_references() == [
        ("s3://b/x", "x")
    ]


def test_prepared_data_knows_its_sources() -> None:
    sources = [
        InputDatasetInfo(uri="/raw/a.jsonl", revision="sha256:aa"),
        InputDatasetInfo(uri="/raw/a.jsonl", revision="sha256:aa", weight=2.0),
        InputDatasetInfo(uri="art://RawData:v1", revision="ignored"),
    ]
    artifact = SplitJsonlDataArtifact(path=Path("/rl"), source_datasets=sources)
    assert artifact.get_input_uris() == ["/raw/a.jsonl", "art://RawData:v1"]
    assert artifact.get_input_revisions() == {"/raw/a.jsonl": "sha256:aa"}


@pytest.mark.parametrize(
    ("tokenizer", "inputs"),
    [
        ("hf://team/model@abc", ["/raw.jsonl", "hf://team/model@abc"]),
        ("hf://team/model", ["/raw.jsonl"]),
        ("/tokenizers/mine@2", ["/raw.jsonl"]),
        (None, ["/raw.jsonl"]),
    ],
)
def test_a_tokenizer_at_a_commit_of_the_hub_is_an_input(
    tokenizer: str | None, inputs: list[str]
) -> None:
    artifact = SFTDataArtifact(
        path=Path("/sft"),
        pack_size=1,
        tokenizer=tokenizer,
        source_datasets=[InputDatasetInfo(uri="/raw.jsonl", revision="sha256:1")],
    )
    assert artifact.get_input_uris() == inputs
    revisions = {"/raw.jsonl": "sha256:1", "hf://team/model@abc": "abc"}
    assert artifact.get_input_revisions() == {uri: revisions[uri] for uri in inputs}


def test_artifacts_pickle() -> None:
    artifact = ModelArtifact(path=Path("/m"), step=3)
    assert pickle.loads(pickle.dumps(artifact)) == artifact  # noqa: S301 - our own bytes


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data" / "metadata.json").mkdir(parents=True)
    assert Artifact(path=tmp_path / "data").write_metadata() is None
    assert "No metadata.json beside" in caplog.text


def test_a_record_makes_no_folder(tmp_path: Path) -> None:
    artifact = Artifact(path=tmp_path / "not" / "here")
    artifact.save(name="planned")
    assert not (tmp_path / "not").exists()
    assert Artifact.from_uri("planned").path == tmp_path / "not" / "here"


def test_a_uri_keeps_every_letter_of_its_last_part() -> None:
    assert RemotePath("s3://bucket/run#1?x").name == "run#1?x"
    assert RemotePath("s3://bucket").name == ""
