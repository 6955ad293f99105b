"""A run's inputs are registered the moment it exists, whoever calls ``wandb.init``."""

from __future__ import annotations

import pytest
import wandb
from wandb_server import picture
from wandb_server.fixtures import add_text

from nemo_runspec.artifacts import Artifact, log_artifact, setup_artifact_tracking
from nemo_runspec.errors import InvalidReferenceError, UsageError
from nemotron_kit_wandb import WandbRunError, patch_wandb_init_for_lineage

DATA = "team/nemotron/data:v0"


@pytest.fixture(autouse=True)
def _original_again():
    before = wandb.init
    yield
    patch_wandb_init_for_lineage([]).undo()
    assert wandb.init is before


@pytest.fixture
def inputs(server):
    with wandb.init(project="nemotron", entity="team") as run:
        for name in ("data", "model"):
            made = wandb.Artifact(name, "dataset")
            add_text(made, "content.txt", name)
            run.log_artifact(made).wait(60)
    return server


def used_by(server, run):
    return picture.take(server.state).runs[f"team/nemotron/{run.id}"].inputs


def start():
    return wandb.init(project="nemotron", entity="team")


def test_somebody_elses_run_has_its_inputs_and_tags(inputs):
    patch_wandb_init_for_lineage(artifact_qualified_names=[DATA], tags=["pretrain"])
    with wandb.init(project="nemotron", entity="team", tags=["theirs"]) as run:
        assert used_by(inputs, run) == {DATA}
    assert picture.take(inputs.state).runs[run.path].tags == ("theirs", "pretrain")


def test_an_active_run_gets_them_at_once(inputs):
    with start() as run:
        patch_wandb_init_for_lineage([DATA], ["sft"])
        assert used_by(inputs, run) == {DATA}


def test_every_later_run_gets_them_and_each_once(inputs):
    patch_wandb_init_for_lineage([DATA])
    for _ in range(2):
        with start() as run:
            assert wandb.init() is run
        assert used_by(inputs, run) == {DATA}
    assert inputs.count("UseArtifact") == 2


def test_calling_again_adds_to_the_same_patch(inputs):
    patch = patch_wandb_init_for_lineage([DATA], ["a"])
    assert patch_wandb_init_for_lineage([DATA], ["a"]) is patch
    assert patch_wandb_init_for_lineage(["team/nemotron/model:latest"], ["b"]) is patch
    with start() as run:
        assert used_by(inputs, run) == {DATA, "team/nemotron/model:v0"}
    assert inputs.count("UseArtifact") == 2
    assert picture.take(inputs.state).runs[run.path].tags == ("a", "b")


def test_undone_nothing_is_registered_any_more(inputs):
    patch_wandb_init_for_lineage([DATA], ["a"]).undo()
    with start() as run:
        pass
    assert used_by(inputs, run) == frozenset()
    assert picture.take(inputs.state).runs[run.path].tags == ()


@pytest.mark.parametrize("name", ["data:v0", "nemotron/data:v0", "art://team/nemotron/data:0"])
def test_a_name_is_taken_in_every_spelling(inputs, name):
    patch_wandb_init_for_lineage([name])
    with start() as run:
        assert used_by(inputs, run) == {DATA}


def test_without_manifests_an_input_that_is_unknown_is_one_sentence(inputs):
    patch_wandb_init_for_lineage(["team/nemotron/gone:v7"])
    message = (
        r"W&B does not take team/nemotron/gone:v7 as an input of this run\. "
        r"Check the names, and that `wandb login`"
    )
    with pytest.raises(WandbRunError, match=message):
        start()


def test_a_run_that_is_opened_for_one_record_is_none_of_the_job(inputs, tmp_path):
    run = {"wandb": {"project": "nemotron", "entity": "team"}}
    artifacts = {"wandb": True, "manifest": {"root": None}}
    with setup_artifact_tracking({"run": run, "artifacts": artifacts}) as tracking:
        patch_wandb_init_for_lineage([DATA], ["sft"])
        assert log_artifact(Artifact(path=tmp_path), tracking, name="made").ref == "made:v0"
    made = picture.take(inputs.state).artifacts["team/nemotron/made:v0"]
    told = picture.take(inputs.state).runs[made.created_by]
    assert (told.inputs, told.tags) == (frozenset(), ())


def test_a_run_that_is_disabled_is_left_alone(inputs, monkeypatch):
    patch_wandb_init_for_lineage([DATA])
    before = len(inputs.served)
    with wandb.init(project="nemotron", mode="disabled"):
        pass
    assert len(inputs.served) == before


def test_an_offline_run_says_that_its_edges_are_missing(inputs, caplog):
    patch_wandb_init_for_lineage([DATA])
    with wandb.init(project="nemotron", mode="offline"):
        pass
    assert f"is offline: it shows no edges from {DATA}" in caplog.text


@pytest.mark.parametrize("argument", ["artifact_qualified_names", "tags"])
def test_a_text_in_place_of_a_list_is_refused(server, argument):
    with pytest.raises(UsageError, match=f"'{argument}' must be a list, not the text 'a:v1'"):
        patch_wandb_init_for_lineage(**{argument: "a:v1"})


@pytest.mark.parametrize("name", ["a/b/c/d:v1", "/data:v1", "team//data:v1"])
def test_what_is_no_name_is_refused(server, name):
    with pytest.raises(
        InvalidReferenceError, match=r"is no artifact of W&B\. Write entity/project/name"
    ):
        patch_wandb_init_for_lineage([name])


def test_a_name_with_other_characters_is_refused(server):
    with pytest.raises(InvalidReferenceError, match="is no artifact name"):
        patch_wandb_init_for_lineage(["team/nemotron/d@ta:v1"])
