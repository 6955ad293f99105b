"""Artifacts: the unmodified client logs, finds, reads and renames them on the test server."""

from __future__ import annotations

from pathlib import Path

import pytest
import wandb
from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry
from wandb_server.fixtures import add_text


def artifact(name="data", kind="dataset", content="one", **given):
    """An artifact with one small file."""
    made = wandb.Artifact(name, kind, **given)
    add_text(made, "content.txt", content)
    return made


def log(content="one", *, project="nemotron", entity="team", **given):
    """Log a version in a run of its own; return it."""
    aliases = given.pop("aliases", None)
    with wandb.init(project=project, entity=entity) as run:
        return run.log_artifact(artifact(content=content, **given), aliases=aliases).wait(60)


def test_the_first_version_is_v0(server):
    logged = log(metadata={"tokens": 7}, description="small")
    assert (logged.name, logged.version) == ("data:v0", "v0")
    assert logged.qualified_name == "team/nemotron/data:v0"
    (told,) = server.state.artifacts()
    assert (told.state, told.qualified_ref) == ("COMMITTED", "team/nemotron/data:v0")
    assert (told.metadata, told.description) == ({"tokens": 7}, "small")
    assert told.collection.type == "dataset"
    assert list(told.manifest) == ["content.txt"]


def test_versions_count_up_and_names_apart(server):
    assert [log(content).name for content in ("a", "b", "c")] == ["data:v0", "data:v1", "data:v2"]
    assert log("a", name="other").name == "other:v0"
    assert log("a", project="elsewhere").qualified_name == "team/elsewhere/data:v0"
    assert log("a", entity="research").qualified_name == "research/nemotron/data:v0"


def test_a_version_is_found_by_every_name(server):
    log("a")
    log("b", aliases=["best"])
    api = wandb.Api()
    for name in ("data:v1", "data:latest", "data:best"):
        found = api.artifact(f"team/nemotron/{name}")
        assert (found.version, found.type) == ("v1", "dataset")
        assert sorted(found.aliases) == ["best", "latest"]
        # The name stays the one that was asked for: a pinned one has to be made of the version.
        assert found.qualified_name == f"team/nemotron/{name}"
    assert api.artifact("team/nemotron/data:v0").aliases == []


@pytest.mark.parametrize("name", ["data:v7", "data:none", "none:latest"])
def test_a_name_that_is_not_there(server, name):
    log()
    with pytest.raises(wandb.errors.CommError, match=rf"'{name}' not found"):
        wandb.Api().artifact(f"team/nemotron/{name}")


def test_equal_content_is_the_same_version(server):
    log("a", metadata={"n": 1})
    log("b")
    again = log("a", metadata={"n": 2}, aliases=["again"])
    assert again.version == "v0"
    collection = server.state.projects["team", "nemotron"].collections["data"]
    first, second = collection.versions
    assert (first.metadata, second.ref) == ({"n": 1}, "data:v1")
    assert first.aliases == ["again", "latest"]


def test_equal_content_is_uploaded_once(server):
    log("a")
    log("a", name="other")
    assert server.count("upload_artifact") == 1
    assert wandb.Api().artifact("team/nemotron/other:v0").get_entry("content.txt").size == 1


def test_files_come_back(server, tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "a.bin").write_bytes(bytes(range(256)))
    (tmp_path / "folder" / "deep" / "ü b.txt").write_text("ünïcode", "utf-8")
    (tmp_path / "metadata.json").write_text("{}", "utf-8")
    made = wandb.Artifact("data", "dataset")
    made.add_dir(str(tmp_path / "folder"))
    made.add_file(str(tmp_path / "metadata.json"), policy="immutable")
    with wandb.init(project="nemotron") as run:
        run.log_artifact(made).wait(60)
    found = wandb.Api().artifact("team/nemotron/data:v0")
    down = Path(found.download(root=str(tmp_path / "down")))
    assert (down / "a.bin").read_bytes() == bytes(range(256))
    assert (down / "deep" / "ü b.txt").read_text("utf-8") == "ünïcode"
    assert (down / "metadata.json").read_text("utf-8") == "{}"
    assert sorted(file.name for file in found.files()) == [
        "a.bin",
        "deep/ü b.txt",
        "metadata.json",
    ]


def test_one_file_comes_back_without_the_others(server, tmp_path):
    made = artifact()
    add_text(made, "metadata.json", "{}")
    with wandb.init(project="nemotron") as run:
        run.log_artifact(made).wait(60)
    found = wandb.Api().artifact("team/nemotron/data:v0")
    down = Path(found.download(root=str(tmp_path / "down"), path_prefix="metadata.json"))
    assert [item.name for item in down.iterdir()] == ["metadata.json"]
    assert server.count("download_artifact") == 1


def test_a_reference_is_kept_to_the_letter(server, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"w" * 10)
    uri = (tmp_path / "weights.bin").as_uri()
    made = wandb.Artifact("model", "model")
    made.add_reference(uri, name="weights.bin")
    made.add_reference("https://example.com/model//odd?x=1", name="odd", checksum=False)
    with wandb.init(project="nemotron") as run:
        run.log_artifact(made).wait(60)
    assert server.count("upload_artifact") == 0
    (told,) = server.state.artifacts()
    assert told.references == {
        "weights.bin": uri,
        "odd": "https://example.com/model//odd?x=1",
    }
    found = wandb.Api().artifact("team/nemotron/model:v0")
    assert found.get_entry("weights.bin").ref == uri
    assert found.manifest.entries["odd"].ref == "https://example.com/model//odd?x=1"
    down = Path(found.download(root=str(tmp_path / "down"), path_prefix="weights.bin"))
    assert (down / "weights.bin").read_bytes() == b"w" * 10


@pytest.mark.parametrize("uri", ["s3://bucket/run/iter_10", "gs://bucket/run//iter_10"])
def test_an_object_store_is_named_without_its_client(server, uri):
    """`add_reference` makes a client of the store first, even for `checksum=False`."""
    made = wandb.Artifact("model", "model")
    made.manifest.add_entry(ArtifactManifestEntry(path="weights", ref=uri, digest=uri))
    with wandb.init(project="nemotron") as run:
        run.log_artifact(made).wait(60)
    (told,) = server.state.artifacts()
    assert told.references == {"weights": uri}
    found = wandb.Api().artifact("team/nemotron/model:v0")
    assert found.get_entry("weights").ref == uri


def test_a_file_reference_without_a_checksum_cannot_be_downloaded(server, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"w" * 10)
    made = wandb.Artifact("model", "model")
    made.add_reference((tmp_path / "weights.bin").as_uri(), checksum=False)
    with wandb.init(project="nemotron") as run:
        run.log_artifact(made).wait(60)
    found = wandb.Api().artifact("team/nemotron/model:v0")
    with pytest.raises(ValueError, match="Digest mismatch"):
        found.download(root=str(tmp_path / "down"))
    assert found.get_entry("weights.bin").ref == (tmp_path / "weights.bin").as_uri()


def test_aliases_are_added_moved_and_removed(server):
    log("a", aliases=["best", "old"])
    log("b")
    api = wandb.Api()
    first, second = (api.artifact(f"team/nemotron/data:v{n}") for n in (0, 1))
    assert (sorted(first.aliases), second.aliases) == (["best", "old"], ["latest"])
    second.aliases.append("best")
    second.save()
    first = wandb.Api().artifact("team/nemotron/data:v0")
    first.aliases.remove("old")
    first.save()
    told = server.state.projects["team", "nemotron"].collections["data"].versions
    assert [item.aliases for item in told] == [[], ["best", "latest"]]


def test_latest_moves_back_where_it_is_wanted(server):
    log("a")
    log("b")
    first = wandb.Api().artifact("team/nemotron/data:v0")
    first.aliases.append("latest")
    first.save()
    assert wandb.Api().artifact("team/nemotron/data:latest").version == "v0"


def test_metadata_and_description_change(server):
    log(metadata={"n": 1})
    found = wandb.Api().artifact("team/nemotron/data:v0")
    found.metadata["n"] = 2
    found.description = "said later"
    found.save()
    (told,) = server.state.artifacts()
    assert (told.metadata, told.description) == ({"n": 2}, "said later")


def test_collections_are_listed(server):
    log("a")
    log("b", aliases=["best"])
    log("c", name="model", kind="model")
    api = wandb.Api()
    collection = api.artifact_collection("dataset", "team/nemotron/data")
    assert [item.version for item in collection.artifacts()] == ["v1", "v0"]
    assert sorted(collection.aliases) == ["best", "latest"]
    assert [item.name for item in api.artifact_types("team/nemotron")] == ["dataset", "model"]
    (models,) = api.artifact_type("model", "team/nemotron").collections()
    assert models.name == "model"
    assert [item.name for item in api.artifacts("dataset", "team/nemotron/data")] == [
        "data:v1",
        "data:v0",
    ]
    assert api.artifact_exists("team/nemotron/data:best")
    assert not api.artifact_exists("team/nemotron/data:worst")


def test_a_name_keeps_its_type(server):
    log()
    with (
        wandb.init(project="nemotron") as run,
        pytest.raises(ValueError, match="already exists with type"),
    ):
        run.log_artifact(artifact(kind="model"))


def test_a_version_without_a_run_is_nobodys(server):
    made = artifact(content="put")
    made.save(project="nemotron")
    made.wait(60)
    assert wandb.Api().artifact(made.qualified_name).version == "v0"
