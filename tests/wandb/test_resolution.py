"""References resolved by W&B: what they mean, what is downloaded, which edges come of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import wandb
from wandb_server import faults, picture
from wandb_server.fixtures import in_own_process, join_left_behind

from nemo_runspec.artifacts import (
    ArtifactReference,
    ModelArtifact,
    SFTDataArtifact,
    setup_artifact_tracking,
)
from nemo_runspec.errors import ArtifactError, ArtifactNotFoundError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.resolvers import (
    clear_artifact_cache,
    pin_references,
    register_resolvers_from_config,
)
from nemotron_kit_wandb.calling import WandbUnreachableError
from nemotron_kit_wandb.credentials import WandbCredentialsError
from nemotron_kit_wandb.tracker import WandbTracker


def config(root=None, project="nemotron", entity="team", **run):
    """A job's configuration with W&B, and with manifests where a root is given."""
    return {
        "artifacts": {"manifest": {"root": root and str(root)}, "wandb": True},
        "run": {"wandb": {"project": project, "entity": entity}, **run},
    }


def data(folder="/data/sft", tokens=7):
    return SFTDataArtifact(path=Path(folder), pack_size=4096, total_tokens=tokens)


def log(artifact, name="sft-data", project="nemotron", entity="team"):
    """Record a version in a run of its own; return the run's id."""
    with wandb.init(project=project, entity=entity) as run:
        WandbTracker(project, entity).log(artifact, name=name, lineage=_nothing())
    return run.id


def log_raw(made, project="nemotron", entity="team"):
    """Record a version as somebody else's script does."""
    with wandb.init(project=project, entity=entity) as run:
        run.log_artifact(made).wait(60)


def _nothing():
    from nemo_runspec.artifacts import Lineage

    return Lineage()


def resolve(text, mode=None):
    tracker = WandbTracker("nemotron", "team", mode=mode)
    return tracker.resolve(ArtifactReference.parse(text))


def downloads(server):
    """How many files of artifacts were fetched, by whichever of the two ways."""
    return server.count("download_artifact") + server.count("download_by_digest")


def test_before_a_run_the_server_is_asked_and_nothing_is_used(server):
    log(data(tokens=1))
    log(data(tokens=2))
    tracking = setup_artifact_tracking(config(data="sft-data:latest"))
    assert tracking.qualified_names == ["team/nemotron/sft-data:v1"]
    assert tracking.inputs == ["sft-data:v1"]
    assert tracking.resolve("sft-data:latest").value("total_tokens") == 2
    assert server.count("UseArtifact") == 0


def test_latest_is_fresh_for_a_job_and_then_stays(server):
    log(data(tokens=1))
    first = setup_artifact_tracking(config(data="sft-data"))
    log(data(tokens=2))
    assert first.resolve("sft-data").value("total_tokens") == 1
    second = setup_artifact_tracking(config(data="sft-data"))
    assert second.resolve("sft-data").value("total_tokens") == 2
    assert second.qualified_names == ["team/nemotron/sft-data:v1"]
    log(data(tokens=3))
    clear_artifact_cache()
    assert second.resolve("sft-data").value("total_tokens") == 3


def test_an_active_run_uses_what_is_resolved(server):
    log(data())
    with wandb.init(project="training", entity="research") as run:
        tracking = setup_artifact_tracking(config(data="sft-data:latest"))
        assert tracking.qualified_names == ["team/nemotron/sft-data:v0"]
    seen = picture.take(server.state).runs[f"research/training/{run.id}"]
    assert seen.inputs == {"team/nemotron/sft-data:v0"}


def test_before_a_run_may_be_asked_for_while_there_is_one(server):
    log(data())
    with wandb.init(project="nemotron", entity="team"):
        assert resolve("sft-data", mode="pre_init").version == 0
    assert server.count("UseArtifact") == 0


def test_an_active_run_may_be_asked_for_and_not_be_there(server):
    with pytest.raises(ArtifactError, match=r"there is none\. Call init_wandb_from_env\(\)"):
        resolve("sft-data", mode="active_run")


def test_the_mode_of_the_resolvers_is_that_of_the_backend(server):
    from omegaconf import OmegaConf

    log(data())
    job = OmegaConf.create(config(data="sft-data", path="${art:data,path}") | {"x": 1})
    del job.run.path
    job.where = "${art:data,path}"
    with wandb.init(project="nemotron", entity="team"):
        names = register_resolvers_from_config(job, mode="pre_init")
        assert (names, job.where) == (["team/nemotron/sft-data:v0"], "/data/sft")
        assert server.count("UseArtifact") == 0
        with pytest.raises(ArtifactError, match="artifact tracking is off"):
            register_resolvers_from_config(job, mode="local")


def test_a_name_is_pinned_by_its_number_and_never_by_an_alias(server):
    log(data(tokens=1))
    api = wandb.Api()
    first = api.artifact("team/nemotron/sft-data:v0")
    first.aliases.append("best")
    first.save()
    log(data(tokens=2))
    found = resolve("sft-data:best")
    assert found.qualified_name == "team/nemotron/sft-data:v0"
    assert (found.ref, found.value("version")) == ("sft-data:v0", "v0")
    assert found.where == f"{server.url}/team/nemotron/artifacts/dataset/sft-data/v0"


def test_metadata_comes_without_the_data(server, tmp_path):
    made = wandb.Artifact("sft-data", "dataset")
    (tmp_path / "packs").mkdir()
    for number in range(3):
        (tmp_path / "packs" / f"{number}.bin").write_bytes(bytes([number]))
    made.add_dir(str(tmp_path / "packs"))
    (tmp_path / "metadata.json").write_text(
        json.dumps({"path": "/lustre/sft", "type": "SFTDataArtifact", "pack_size": 64})
    )
    made.add_file(str(tmp_path / "metadata.json"))
    log_raw(made)
    found = resolve("sft-data")
    assert (found.path, found.value("pack_size")) == ("/lustre/sft", 64)
    assert downloads(server) == 1


def test_the_checkpoint_of_an_iteration_is_in_the_metadata(server):
    log(
        ModelArtifact(
            path=Path("/save"), step=20, metadata={"absolute_path": "/save/iter_0000020"}
        ),
        "sft-model",
    )
    found = resolve("sft-model")
    assert (found.path, found.value("absolute_path")) == ("/save", "/save/iter_0000020")
    assert (found.value("iteration"), found.value("type")) == (20, "model")


def test_a_checkpoint_that_a_framework_logged_by_itself(server, tmp_path):
    folder = tmp_path / "save" / "iter_0000030"
    (folder / "part").mkdir(parents=True)
    for name in ("common.pt", "part/weights.bin"):
        (folder / name).write_bytes(b"w")
    made = wandb.Artifact("pretrain", "model", metadata={"iteration": 30})
    made.add_reference(f"file://{folder}", checksum=False)
    log_raw(made)
    found = resolve("pretrain")
    assert (found.path, found.value("iteration")) == (str(folder), 30)


@pytest.mark.parametrize("uri", ["s3://bucket/save//iter_30", "gs://bucket/save"])
def test_a_checkpoint_on_an_object_store_that_one_reference_names(server, uri):
    from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

    made = wandb.Artifact("pretrain", "model")
    made.manifest.add_entry(ArtifactManifestEntry(path="weights", ref=uri, digest=uri))
    log_raw(made)
    assert resolve("pretrain").path == uri


def test_a_page_that_says_where_the_data_lies(server):
    log_raw(wandb.Artifact("pretrain", "model", metadata={"absolute_path": "/lustre/x", "step": 4}))
    found = resolve("pretrain")
    assert (found.path, found.value("iteration")) == ("/lustre/x", 4)


def test_data_that_only_the_server_has(server, tmp_path):
    made = wandb.Artifact("theirs", "dataset")
    (tmp_path / "data.bin").write_bytes(b"x")
    made.add_file(str(tmp_path / "data.bin"))
    log_raw(made)
    with pytest.raises(ArtifactError, match=r"wandb artifact get team/nemotron/theirs:v0`"):
        resolve("theirs")
    assert downloads(server) == 0


def test_the_artifact_of_another_team(server):
    log(data("/theirs"), project="shared", entity="research")
    tracking = setup_artifact_tracking(config(data="research/shared/sft-data:latest"))
    assert tracking.qualified_names == ["research/shared/sft-data:v0"]
    assert tracking.inputs == ["research/shared/sft-data:v0"]
    assert tracking.resolve("art://research/shared/sft-data:v0/blend.json").path == (
        "/theirs/blend.json"
    )


def test_a_project_without_its_entity_is_that_of_the_key(server):
    log(data())
    tracking = setup_artifact_tracking(config(entity=None, data="sft-data"))
    assert tracking.qualified_names == ["team/nemotron/sft-data:v0"]


def test_beside_manifests_no_server_is_asked_for_what_they_know(server, tmp_path):
    manifests = ManifestTracker(tmp_path / "store")
    manifests.log(data("/ours"), name="sft-data", lineage=_nothing())
    server.down()
    tracking = setup_artifact_tracking(config(tmp_path / "store", data="sft-data:latest"))
    assert tracking.qualified_names == ["team/nemotron/sft-data:manifest-v1"]
    assert tracking.resolve("sft-data").path == "/ours"
    assert server.served == []


def test_beside_manifests_the_server_is_asked_for_what_they_lack(server, tmp_path):
    log(data("/theirs"))
    tracking = setup_artifact_tracking(config(tmp_path / "store", data="sft-data:latest"))
    assert tracking.qualified_names == ["team/nemotron/sft-data:v0"]
    # In the store that number would be another version's, or none.
    lineage = tracking.lineage_of(ModelArtifact(path=tmp_path, step=1))
    assert lineage.used_artifacts == ["team/nemotron/sft-data:v0"]


def test_the_same_fields_from_the_store_and_from_the_server(server, tmp_path):
    """The same result when both are in step."""
    from nemotron_kit_wandb.destination import Destination
    from nemotron_kit_wandb.publishing import publish
    from nemotron_kit_wandb.recording import make_manifest_record

    manifests = ManifestTracker(tmp_path / "store")
    artifact = data()
    logged = manifests.log(artifact, name="sft-data", lineage=_nothing())
    known = artifact.model_copy(
        update={
            "version": logged.version,
            "name": "sft-data",
            "created_at": logged.created_at,
            "producer": logged.producer,
        }
    )
    record = make_manifest_record(
        known,
        name="sft-data",
        lineage=_nothing(),
        destination=Destination("nemotron", "team"),
        run=None,
    )
    with wandb.init(project="nemotron", entity="team") as run:
        publish(record, run, timeout_s=60)
    stored = dict(manifests.resolve("sft-data").document)
    served = dict(resolve("sft-data:manifest-v1").document)
    assert (stored.pop("version"), served.pop("version")) == (1, 0)
    assert {key: served[key] for key in stored} == stored


def test_a_name_that_neither_has_is_said_of_both(server, tmp_path):
    log(data())
    with pytest.raises(ArtifactNotFoundError, match="No artifact is named 'sft-dat'") as caught:
        setup_artifact_tracking(config(tmp_path / "store", data="sft-dat:latest"))
    assert "wandb: No artifact is named 'sft-dat'." in str(caught.value)


def test_a_name_that_the_store_lacks_in_an_outage(server, tmp_path):
    server.down()
    with pytest.raises(ArtifactNotFoundError, match=r"wandb: W&B .*does not answer"):
        setup_artifact_tracking(config(tmp_path / "store", data="sft-data:latest"))


def test_an_unknown_name_lists_what_there_is(server):
    log(data(), "sft-data")
    log(ModelArtifact(path=Path("/m"), step=1), "rl-model")
    with pytest.raises(ArtifactNotFoundError, match=r"'sft-dta'.* Did you mean 'sft-data'\?"):
        resolve("sft-dta")
    with pytest.raises(ArtifactNotFoundError, match=r"'zzz'.* There are: rl-model, sft-data"):
        resolve("zzz")


def test_an_unknown_version_lists_what_there_is(server):
    log(data(tokens=1))
    log(data(tokens=2))
    with pytest.raises(ArtifactNotFoundError, match=r"no version 'v7'.*versions: v1, v0\."):
        resolve("sft-data:7")


def test_an_unknown_alias_lists_what_there_is(server):
    log(data())
    with pytest.raises(ArtifactNotFoundError, match=r"no alias 'best'.*Its aliases: latest\."):
        resolve("sft-data:best")


def test_an_unknown_project_lists_what_there_is(server):
    log(data())
    with pytest.raises(ArtifactNotFoundError, match=r"team/nemotrno'.* Did you mean 'nemotron'"):
        resolve("team/nemotrno/sft-data:latest")
    with pytest.raises(ArtifactNotFoundError, match="Check the entity 'nobody'"):
        resolve("nobody/nemotron/sft-data:latest")


def test_a_name_that_an_active_run_does_not_find(server):
    log(data())
    with (
        wandb.init(project="nemotron", entity="team"),
        pytest.raises(ArtifactNotFoundError, match="Did you mean 'sft-data'"),
    ):
        resolve("sft-dta")


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_a_client_that_talks_to_nobody(server, monkeypatch, mode):
    monkeypatch.setenv("WANDB_MODE", mode)
    with pytest.raises(ArtifactError, match=rf"client is {mode}\. Set WANDB_MODE=online"):
        setup_artifact_tracking(config(data="sft-data:latest"))
    assert server.served == []


@pytest.mark.parametrize("mode", ["offline", "disabled"])
def test_a_run_that_talks_to_nobody(server, mode):
    with (
        wandb.init(project="nemotron", entity="team", mode=mode),
        pytest.raises(ArtifactError, match=rf"sft-data:latest cannot .* client is {mode}\."),
    ):
        resolve("sft-data")


def test_no_project_is_named(server):
    with pytest.raises(ArtifactError, match=r"No W&B project is named.*WANDB_PROJECT"):
        setup_artifact_tracking(config(project=None, entity=None, data="sft-data:latest"))


def test_a_run_has_a_project_where_none_is_named(server):
    log(data())
    with wandb.init(project="nemotron", entity="team"):
        tracking = setup_artifact_tracking(config(project=None, entity=None, data="sft-data"))
    assert tracking.qualified_names == ["team/nemotron/sft-data:v0"]


def test_no_key_is_found(server, monkeypatch):
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(WandbCredentialsError, match=r"No W&B API key was found.*`wandb login`"):
        resolve("sft-data")


def test_a_key_that_the_server_does_not_know(server, monkeypatch, own_world):
    monkeypatch.setenv("WANDB_API_KEY", "b" * 40)
    with pytest.raises(ArtifactError, match=r"lets nobody in.*`wandb login`"):
        resolve("sft-data")
    # The client's own login would leave a wrong key there.
    assert not (own_world / "home" / ".netrc").exists()


def test_a_server_that_is_down(server):
    server.down()
    with pytest.raises(WandbUnreachableError, match="does not answer, which is needed to look up"):
        resolve("sft-data")


def test_a_job_is_submitted_unpinned_while_the_server_is_down(server, caplog):
    from omegaconf import OmegaConf

    job = OmegaConf.create(config(data="sft-data:latest"))
    log(data())
    assert pin_references(job).run.data == "sft-data:v0"
    server.down()
    assert pin_references(job).run.data == "sft-data:latest"
    assert "run.data stays unpinned until the job starts" in caplog.text


def test_a_server_that_answers_too_late(server):
    log(data())
    hold = faults.Hold()
    for operation in ("ArtifactMembershipByName", "ArtifactByName"):
        server.faults.plan(hold, operation, times=None)
    tracker = WandbTracker("nemotron", "team", resolve_timeout_s=3)
    with pytest.raises(
        WandbUnreachableError, match="did not look up team/nemotron/sft-data:latest"
    ):
        tracker.resolve(ArtifactReference.parse("sft-data"))
    server.faults.heal()
    join_left_behind()


LOADS_THE_CLIENT = """
import sys, threading
from nemo_runspec.artifacts import ArtifactReference
from nemotron_kit_wandb.tracker import WandbTracker


class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "wandb":
            print(threading.current_thread().name)


sys.meta_path.insert(0, Watch())
print(WandbTracker("nemotron", "team").resolve(ArtifactReference.parse("sft-data")).version)
"""


def test_a_client_that_takes_its_time_to_load_is_no_silent_server(server):
    log(data())
    done = in_own_process(LOADS_THE_CLIENT)
    # What is bounded by the server's time is done in another thread.
    assert done.stdout.split() == ["MainThread", "0"], done.stderr


RANK = """
from nemo_runspec.artifacts import setup_artifact_tracking

tracking = setup_artifact_tracking({
    "artifacts": {"manifest": {"root": None}, "wandb": True},
    "run": {"wandb": {"project": "nemotron", "entity": "team"}, "data": "sft-data:latest"},
})
print(tracking.qualified_names, tracking.resolve("sft-data:latest").path)
"""


def test_only_rank_0_asks(server, tmp_path):
    log(data())
    job = {"WORLD_SIZE": "2", "NEMOTRON_RUN_DIR": str(tmp_path / "run"), "SLURM_JOB_ID": "1"}
    first = in_own_process(RANK, RANK="0", **job)
    asked = len(server.served)
    second = in_own_process(RANK, RANK="1", **job)
    assert first.stdout == "['team/nemotron/sft-data:v0'] /data/sft\n", first.stderr
    assert second.stdout == first.stdout, second.stderr
    assert len(server.served) == asked
