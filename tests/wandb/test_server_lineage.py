"""Lineage in both directions, as the unmodified client writes and reads it."""

from __future__ import annotations

import wandb
from wandb_server import picture
from wandb_server.fixtures import add_text


def log(run, name, kind, content):
    made = wandb.Artifact(name, kind)
    add_text(made, "content.txt", content)
    return run.log_artifact(made).wait(60)


def chain():
    """Data, a model of the data, a model of the model; return the three runs."""
    with wandb.init(project="nemotron", entity="team", job_type="data-prep") as prep:
        log(prep, "data", "dataset", "tokens")
    with wandb.init(project="nemotron", entity="team", job_type="training") as sft:
        sft.use_artifact("data:latest")
        log(sft, "model", "model", "weights")
    with wandb.init(project="rl", entity="research", job_type="training") as rl:
        rl.use_artifact("team/nemotron/model:v0")
        log(rl, "model", "model", "better weights")
    return prep, sft, rl


def test_the_chain_is_whole_on_the_server(server):
    prep, sft, rl = chain()
    seen = picture.take(server.state)
    assert seen.edges == {
        (f"team/nemotron/{prep.id}", "team/nemotron/data:v0"),
        ("team/nemotron/data:v0", f"team/nemotron/{sft.id}"),
        (f"team/nemotron/{sft.id}", "team/nemotron/model:v0"),
        ("team/nemotron/model:v0", f"research/rl/{rl.id}"),
        (f"research/rl/{rl.id}", "research/rl/model:v0"),
    }
    assert seen.upstream("research/rl/model:v0") == {
        *(f"team/nemotron/{run.id}" for run in (prep, sft)),
        *("team/nemotron/data:v0", "team/nemotron/model:v0"),
        f"research/rl/{rl.id}",
    }


def test_the_chain_is_read_in_both_directions(server):
    prep, sft, rl = chain()
    api = wandb.Api()
    data, model = (api.artifact(f"team/nemotron/{name}:v0") for name in ("data", "model"))
    assert data.logged_by().id == prep.id
    assert [run.id for run in data.used_by()] == [sft.id]
    assert model.logged_by().id == sft.id
    assert [run.path for run in model.used_by()] == [["research", "rl", rl.id]]
    found = api.run(f"team/nemotron/{sft.id}")
    assert [item.name for item in found.used_artifacts()] == ["data:v0"]
    assert [item.name for item in found.logged_artifacts()] == ["model:v0"]


def test_using_twice_is_one_edge(server):
    with wandb.init(project="nemotron") as run:
        log(run, "data", "dataset", "tokens")
    with wandb.init(project="nemotron") as user:
        user.use_artifact("data:v0")
        user.use_artifact("data:latest")
    (told,) = server.state.artifacts()
    assert [item.name for item in told.used_by] == [user.id]


def test_a_used_version_is_pinned_by_its_number(server):
    with wandb.init(project="nemotron") as run:
        log(run, "data", "dataset", "one")
    with wandb.init(project="nemotron") as user:
        used = user.use_artifact("data:latest")
        log(user, "data", "dataset", "two")
    assert used.version == "v0"
    seen = picture.take(server.state)
    assert seen.runs[f"team/nemotron/{user.id}"].inputs == {"team/nemotron/data:v0"}


def test_a_run_that_is_over_can_still_be_given_an_input(server):
    with wandb.init(project="nemotron") as run:
        log(run, "data", "dataset", "one")
    with wandb.init(project="nemotron") as late:
        pass
    api = wandb.Api()
    api.run(f"team/nemotron/{late.id}").use_artifact(api.artifact("team/nemotron/data:v0"))
    assert picture.take(server.state).edges >= {
        ("team/nemotron/data:v0", f"team/nemotron/{late.id}")
    }


def test_equal_content_of_a_second_run_is_no_edge_to_it(server):
    with wandb.init(project="nemotron") as first:
        log(first, "data", "dataset", "same")
    with wandb.init(project="nemotron") as second:
        log(second, "data", "dataset", "same")
    seen = picture.take(server.state)
    assert seen.artifacts["team/nemotron/data:v0"].created_by == f"team/nemotron/{first.id}"
    assert seen.runs[f"team/nemotron/{second.id}"].outputs == frozenset()
