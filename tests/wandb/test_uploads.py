"""What of an artifact goes to W&B: small files, references, metadata, aliases, edges."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import wandb
from pydantic import Field
from wandb_server import faults, picture
from wandb_server.fixtures import in_own_process, join_left_behind, sync

from nemo_runspec.artifacts import (
    Artifact,
    Lineage,
    ModelArtifact,
    RemotePath,
    log_artifact,
    setup_artifact_tracking,
)
from nemo_runspec.errors import ArtifactError, InvalidReferenceError
from nemotron_kit_wandb import recording
from nemotron_kit_wandb.calling import WandbUnreachableError
from nemotron_kit_wandb.destination import Destination
from nemotron_kit_wandb.publishing import WandbPublishError, publish
from nemotron_kit_wandb.recording import make_manifest_record, make_record
from nemotron_kit_wandb.records import WandbRecord
from nemotron_kit_wandb.tracker import WandbTracker

HERE = Destination("nemotron", "team")


class OwnArtifact(Artifact):
    """An artifact that says itself what W&B gets."""

    files: list[tuple[str, str]] = Field(default_factory=list)
    references: list[tuple[str, str]] = Field(default_factory=list)
    aliases: list[str] = Field(default_factory=list)

    def get_wandb_files(self):
        return [*super().get_wandb_files(), *self.files]

    def get_wandb_references(self):
        return self.references

    def get_wandb_aliases(self):
        return self.aliases


def log(artifact, name="made", lineage=None):
    """Record a version in a run of its own; return the receipt."""
    with wandb.init(project="nemotron", entity="team"):
        tracker = WandbTracker("nemotron", "team")
        return tracker.log(artifact, name=name, lineage=lineage or Lineage())


def the_version(server):
    known = list(server.state.artifacts())
    assert [(told.state, told.version) for told in known] == [("COMMITTED", 0)], known
    return known[0]


def metadata_file(server, told):
    """The metadata.json of a version, as the server holds it."""
    key = (told.collection.entity, told.manifest["metadata.json"]["digest"])
    return json.loads(server.state.blobs[key].content)


def record(artifact, version=1, used=()):
    """A record of a version that a manifest store has."""
    known = artifact.model_copy(update={"version": version})
    lineage = Lineage(used_artifacts=list(used))
    return make_manifest_record(known, name="made", lineage=lineage, destination=HERE, run=None)


def put(one, timeout_s=60.0):
    with wandb.init(project="nemotron", entity="team") as run:
        return publish(one, run, timeout_s=timeout_s)


def test_data_is_referred_to_and_never_read(server, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "big.bin").write_bytes(b"x" * 1000)
    (tmp_path / "data" / "big.bin").chmod(0)
    logged = log(Artifact(path=tmp_path / "data"))
    told = the_version(server)
    assert told.references == {"data": f"file://{tmp_path}/data"}
    assert set(told.manifest) == {"metadata.json", "data"}
    assert server.count("upload_artifact") == 1
    assert logged.ref == "made:v0"
    assert logged.url == f"{server.url}/team/nemotron/artifacts/dataset/made/v0"


def test_small_files_are_uploaded(server, tmp_path):
    (tmp_path / "config.yaml").write_text("lr: 1\n")
    artifact = OwnArtifact(
        path=tmp_path,
        files=[(str(tmp_path / "config.yaml"), "config.yaml")],
        references=[(f"file://{tmp_path}/checkpoint", "checkpoint")],
    )
    log(artifact)
    told = the_version(server)
    assert set(told.manifest) == {"metadata.json", "config.yaml", "checkpoint"}
    assert [blob.content for blob in server.state.blobs.values()].count(b"lr: 1\n") == 1


NO_CLIENTS = """
import sys

for name in ("boto3", "botocore", "google.cloud.storage", "s3fs", "gcsfs"):
    sys.modules[name] = None  # as if it were not installed

import wandb
from nemo_runspec.artifacts import Artifact, Lineage, RemotePath
from nemotron_kit_wandb.tracker import WandbTracker

with wandb.init(project="nemotron", entity="team"):
    tracker = WandbTracker("nemotron", "team")
    for name, uri in (("s3", "s3://bucket//odd/./iter_10"), ("gs", "gs://bucket/iter_10")):
        artifact = Artifact(path=RemotePath(uri))
        print(tracker.log(artifact, name=name, lineage=Lineage()).ref)
"""


def test_object_stores_are_referred_to_without_their_clients(server):
    done = in_own_process(NO_CLIENTS)
    assert done.stdout.split() == ["s3:v0", "gs:v0"], done.stderr
    references = [told.references for told in server.state.artifacts()]
    assert references == [
        {"iter_10": "s3://bucket//odd/./iter_10"},
        {"iter_10": "gs://bucket/iter_10"},
    ]


def test_a_bucket_has_no_name_of_its_own(server):
    log(Artifact(path=RemotePath("s3://bucket")))
    assert the_version(server).references == {"data": "s3://bucket"}


def test_paths_of_a_container_are_recorded_as_the_hosts(server, monkeypatch):
    monkeypatch.setenv("NEMO_RUN_DIR", "/lustre/jobs/7")
    log(Artifact(path=Path("/nemo_run/pretrain")))
    told = the_version(server)
    assert told.references == {"pretrain": "file:///lustre/jobs/7/pretrain"}
    assert told.metadata["path"] == "/lustre/jobs/7/pretrain"
    assert metadata_file(server, told)["path"] == "/lustre/jobs/7/pretrain"


def test_a_large_file_is_referred_to(server, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(recording, "LARGEST_FILE_BYTES", 3)
    for name in ("three", "four"):
        (tmp_path / name).write_bytes(b"x" * len(name))
    (tmp_path / "three").write_bytes(b"xxx")
    files = [(str(tmp_path / name), name) for name in ("three", "four")]
    with caplog.at_level(logging.WARNING):
        log(OwnArtifact(path=tmp_path, files=files))
    assert the_version(server).references == {"four": f"file://{tmp_path}/four"}
    assert "four has 4 bytes: W&B refers to it, and gets no copy." in caplog.text


def test_a_file_that_is_not_there(server, tmp_path):
    artifact = OwnArtifact(path=tmp_path, files=[(str(tmp_path / "none"), "none")])
    with pytest.raises(ArtifactError, match=r"none: A file for W&B cannot be read: No such file"):
        log(artifact)
    assert not list(server.state.artifacts())


def test_a_folder_is_no_file(server, tmp_path):
    artifact = OwnArtifact(path=tmp_path, files=[(str(tmp_path), "all")])
    with pytest.raises(ArtifactError, match=r"A folder cannot be uploaded.*get_wandb_references"):
        log(artifact)


def test_two_entries_of_one_name(server, tmp_path):
    twice = [("s3://bucket/a", "weights"), ("s3://bucket/b", "weights")]
    with pytest.raises(ArtifactError, match="made are both called 'weights'"):
        log(OwnArtifact(path=tmp_path, references=twice))


def test_the_metadata_is_that_of_this_version_and_not_an_older_file(server, tmp_path):
    (tmp_path / "metadata.json").write_text('{"type": "Artifact", "path": "/old", "n": 1}')
    log(Artifact(path=tmp_path, metadata={"n": 2, "deep": {"list": [1]}}))
    told = the_version(server)
    document = metadata_file(server, told)
    assert (document["n"], document["deep"], document["path"]) == (2, {"list": [1]}, str(tmp_path))
    assert told.metadata["n"] == 2
    assert "deep" not in told.metadata


def test_the_page_gets_no_more_values_than_it_takes(server):
    values = {f"value_{number:03}": number for number in range(200)}
    log(Artifact(path=Path("/x"), metadata=values))
    told = the_version(server)
    assert len(told.metadata) == 100
    assert told.metadata["path"] == "/x"
    assert metadata_file(server, told)["value_199"] == 199


def test_no_secret_is_recorded(server, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "s" * 30)
    secrets = {"api_key": "k" * 40, "note": "hf_" + "s" * 30, "url": "https://u:pw@host/x"}
    artifact = OwnArtifact(
        path=Path("/x"), metadata=secrets, references=[("https://u:pw@host/x", "x")]
    )
    log(artifact)
    told = the_version(server)
    everything = json.dumps([told.metadata, told.references, metadata_file(server, told)])
    assert not [text for text in ("kkkk", "ssss", "pw@") if text in everything]


def test_a_version_of_the_manifest_store_has_its_alias(server):
    published = put(record(Artifact(path=Path("/x")), version=2))
    told = the_version(server)
    assert published.qualified_name == "team/nemotron/made:v0"
    assert told.aliases == ["latest", "manifest-v2"]
    assert told.metadata["manifest"] == "made:v2"
    assert metadata_file(server, told)["nemotron"]["manifest"] == "made:v2"


def test_an_artifact_has_aliases_of_its_own(server):
    log(OwnArtifact(path=Path("/x"), aliases=["best", "step-20"]))
    assert the_version(server).aliases == ["best", "latest", "step-20"]


def test_an_alias_that_reads_as_a_version(server):
    with pytest.raises(InvalidReferenceError, match="'v3' cannot be an alias"):
        log(OwnArtifact(path=Path("/x"), aliases=["v3"]))
    assert not list(server.state.artifacts())


def test_what_was_published_is_published_once(server):
    one = record(Artifact(path=Path("/x")))
    with wandb.init(project="nemotron", entity="team") as run:
        first = publish(one, run, timeout_s=60)
        again = publish(WandbRecord.from_json(one.to_json(), where=""), run, timeout_s=60)
    assert first == again
    assert the_version(server).aliases == ["latest", "manifest-v1"]


def test_an_alias_that_was_lost_is_set_again(server):
    one = record(Artifact(path=Path("/x")))
    put(one)
    told = the_version(server)
    del told.collection.aliases["manifest-v1"]
    put(one)
    assert told.aliases == ["latest", "manifest-v1"]


def test_equal_artifacts_of_two_runs_are_two_versions_in_the_graph(server):
    runs = []
    for _ in range(2):
        with wandb.init(project="nemotron", entity="team") as run:
            tracker = WandbTracker("nemotron", "team")
            tracker.log(Artifact(path=Path("/x")), name="made", lineage=Lineage())
            runs.append(run.id)
    assert [told.created_by.name for told in server.state.artifacts()] == runs


def test_inputs_are_edges(server):
    log(Artifact(path=Path("/data")), "data")
    lineage = Lineage(used_artifacts=["data:v0"])
    with wandb.init(project="training", entity="team") as run:
        tracker = WandbTracker("nemotron", "team")
        tracker.log(ModelArtifact(path=Path("/m"), step=1), name="model", lineage=lineage)
    seen = picture.take(server.state)
    assert seen.edges >= {
        ("team/nemotron/data:v0", f"team/training/{run.id}"),
        (f"team/training/{run.id}", "team/training/model:v0"),
    }


def test_inputs_of_the_manifest_store_are_edges_through_their_alias(server):
    put(record(Artifact(path=Path("/data")), version=3))
    one = record(Artifact(path=Path("/model")), version=4, used=["made:v3"])
    assert one.used == ("team/nemotron/made:manifest-v3",)
    with wandb.init(project="nemotron", entity="team") as run:
        assert publish(one, run, timeout_s=60).unlinked == ()
    seen = picture.take(server.state)
    assert seen.runs[f"team/nemotron/{run.id}"].inputs == {"team/nemotron/made:v0"}


def test_an_input_that_the_server_does_not_have_is_told(server, caplog):
    with caplog.at_level(logging.WARNING):
        published = put(record(Artifact(path=Path("/x")), used=["gone:v1", "e/p/other:v2"]))
    assert published.unlinked == ("team/nemotron/gone:manifest-v1", "e/p/other:v2")
    assert "W&B shows no edge from team/nemotron/gone:manifest-v1" in caplog.text
    assert the_version(server).version == 0


def test_inputs_without_an_artifact(server):
    log(Artifact(path=Path("/data")), "data")
    one = WandbRecord(None, "nemotron", "team", used=("team/nemotron/data:v0",))
    with wandb.init(project="nemotron", entity="team") as run:
        published = publish(one, run, timeout_s=60)
    assert (published.qualified_name, published.version, published.unlinked) == (None, None, ())
    assert published.url == f"{server.url}/team/nemotron/runs/{run.id}"
    inputs = picture.take(server.state).runs[f"team/nemotron/{run.id}"].inputs
    assert inputs == {"team/nemotron/data:v0"}


def test_without_a_run_the_record_has_one_of_its_own(server):
    tracker = WandbTracker("nemotron", "team")
    logged = tracker.log(Artifact(path=Path("/x")), name="made", lineage=Lineage())
    assert logged.version == 0
    assert wandb.run is None
    with wandb.init(project="nemotron", entity="team") as later:
        pass
    maker = the_version(server).created_by
    assert maker.name.startswith("record-")
    assert (maker.job_type, maker.state, maker.exit_code) == ("record", "finished", 0)
    assert {run.name for run in server.state.runs()} == {maker.name, later.id}


def test_a_script_that_saves_needs_nothing_but_the_settings(server, tmp_path):
    config = {
        "artifacts": {"manifest": {"root": None}, "wandb": True},
        "run": {"wandb": {"project": "nemotron", "entity": "team"}},
    }
    with setup_artifact_tracking(config):
        artifact = Artifact(path=tmp_path)
        artifact.save("made")
        assert (artifact.name, artifact.version) == ("made", 0)
        assert Artifact.from_uri("art://made:latest").path == tmp_path
        again = log_artifact(Artifact(path=tmp_path), name="made")
    assert again.ref == "made:v1"
    (first, second) = server.state.artifacts()
    # What was loaded is an input of what is recorded later.
    assert second.created_by in first.used_by


def test_an_offline_run_keeps_the_version(server, caplog):
    with wandb.init(project="nemotron", entity="team", mode="offline") as run:
        folder = run.settings.sync_dir
        tracker = WandbTracker("nemotron", "team")
        with caplog.at_level(logging.WARNING):
            logged = tracker.log(Artifact(path=Path("/x")), name="made", lineage=Lineage())
    assert (logged.ref, logged.version) == ("made", None)
    assert f"made is recorded offline: `wandb sync {folder}` uploads it" in caplog.text
    assert "without edges" not in caplog.text
    assert server.served == []


def test_an_offline_version_arrives_with_the_sync(server):
    with wandb.init(project="nemotron", entity="team", mode="offline") as run:
        tracker = WandbTracker("nemotron", "team")
        tracker.log(Artifact(path=Path("/x")), name="made", lineage=Lineage())
    done = sync(Path(run.settings.sync_dir))
    assert done.returncode == 0, done.stderr
    assert the_version(server).created_by.name == run.id


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_without_a_run_the_mode_is_the_environments(server, monkeypatch, caplog, mode):
    monkeypatch.setenv("WANDB_MODE", mode)
    with caplog.at_level(logging.WARNING):
        tracker = WandbTracker("nemotron", "team")
        logged = tracker.log(Artifact(path=Path("/x")), name="made", lineage=Lineage())
    assert logged.version is None
    said = {"offline": "made is recorded offline", "disabled": "client is disabled"}
    assert said[mode] in caplog.text
    assert server.served == []


def test_a_wait_has_an_end(server):
    hold = faults.Hold()
    server.faults.plan(hold, "CommitArtifact")
    with wandb.init(project="nemotron", entity="team") as run:
        with pytest.raises(WandbPublishError, match=r"W&B did not take made:v1 \(.*time"):
            publish(record(Artifact(path=Path("/x"))), run, timeout_s=1)
        hold.release()


def test_a_server_that_falls_silent(server):
    hold = faults.Hold()
    server.faults.plan(hold, "CreateArtifact", times=None)
    with wandb.init(project="nemotron", entity="team"):
        tracker = WandbTracker("nemotron", "team", log_timeout_s=2)
        with pytest.raises((WandbUnreachableError, WandbPublishError), match=r"did not .* made"):
            tracker.log(Artifact(path=Path("/x")), name="made", lineage=Lineage())
        server.faults.heal()
        join_left_behind()


def test_a_server_that_is_down(server):
    server.down()
    tracker = WandbTracker("nemotron", "team")
    with pytest.raises(WandbUnreachableError, match=r"needed to record made\..*manifest.root=PATH"):
        tracker.log(Artifact(path=Path("/x")), name="made", lineage=Lineage())


def test_a_reply_that_broke_off_makes_no_second_version(server):
    server.faults.plan(faults.cut_reply, "CommitArtifact")
    assert put(record(Artifact(path=Path("/x")))).version == 0
    assert the_version(server).aliases == ["latest", "manifest-v1"]


def test_a_lost_reply_makes_no_second_version(server):
    server.faults.plan(faults.drop_reply, "CommitArtifact")
    assert log(Artifact(path=Path("/x"))).version == 0
    the_version(server)


def test_what_the_server_refuses(server):
    server.faults.plan(faults.status(403, "permission denied"), "CreateArtifact", times=None)
    with pytest.raises(WandbPublishError, match=r"did not take made \(.*permission denied"):
        log(Artifact(path=Path("/x")))


def test_a_name_that_has_another_kind(server):
    log(Artifact(path=Path("/x")), "made")
    with pytest.raises(WandbPublishError, match=r"did not take made \(.*already exists with type"):
        log(ModelArtifact(path=Path("/x"), step=1), "made")


def test_an_entity_that_is_not_the_users(server):
    tracker = WandbTracker("nemotron", "strangers")
    with pytest.raises(WandbPublishError, match=r"strangers/nemotron.*could not start a run"):
        tracker.log(Artifact(path=Path("/x")), name="made", lineage=Lineage())


def test_a_name_that_is_none(server):
    with pytest.raises(InvalidReferenceError, match="is no artifact name"):
        make_record(
            Artifact(path=Path("/x")), name="a/b", lineage=Lineage(), destination=HERE, run=None
        )
    assert server.served == []


def test_a_record_that_is_damaged_or_newer():
    whole = record(Artifact(path=Path("/x"))).to_json()
    with pytest.raises(ArtifactError, match=r"box/1\.json: The record cannot be read"):
        WandbRecord.from_json(whole[:-20], where="box/1.json")
    with pytest.raises(ArtifactError, match="written by a newer release"):
        WandbRecord.from_json(whole.replace(b'"format": 1', b'"format": 2'), where="box/1.json")
    with pytest.raises(ArtifactError, match="The record cannot be read"):
        WandbRecord.from_json(b'{"format": 1}', where="box/1.json")
