"""What was not told in time, told later: facts about the client that delivery builds on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import wandb
from wandb.sdk.artifacts.exceptions import ArtifactNotLoggedError
from wandb_server import picture
from wandb_server.fixtures import add_text, end_client, in_own_process, sync

LEAVES_THE_RUN_ALONE = {"x_update_finish_state": False, "x_disable_stats": True}


def artifact(step, file=None):
    made = wandb.Artifact("model", "model", metadata={"step": step})
    if file is None:
        add_text(made, "content.txt", f"step {step}")
    else:
        made.add_file(str(file), name="content.txt", policy="immutable")
    return made


def finished_run():
    """A run that is over, with something of everything."""
    with wandb.init(
        project="nemotron", entity="team", name="train", tags=["a"], config={"lr": 1}
    ) as run:
        run.log({"loss": 2.0})
        run.summary["best"] = 1.0
        run.finish(exit_code=3)
    return run


def put_by(run, box, made, **given):
    """Log an artifact in an offline run of the same id; return its folder."""
    offline = wandb.init(
        project="nemotron", entity="team", id=run.id, mode="offline", dir=str(box), **given
    )
    offline.log_artifact(made, aliases=["manifest-v1"])
    offline.finish()
    folder = Path(offline.dir).parent
    end_client()
    return folder


@pytest.fixture
def box(tmp_path):
    folder = tmp_path / "outbox"
    folder.mkdir()
    return folder


def test_an_offline_run_of_the_same_id_delivers_its_artifact(server, box, tmp_path):
    run = finished_run()
    file = tmp_path / "metadata.json"
    file.write_text("{}", "utf-8")
    folder = put_by(run, box, artifact(1, file), resume="allow")
    assert sync(folder).returncode == 0
    seen = picture.take(server.state)
    assert seen.artifacts["team/nemotron/model:v0"].created_by == f"team/nemotron/{run.id}"
    found = wandb.Api().artifact("team/nemotron/model:manifest-v1")
    assert (found.version, found.metadata) == ("v0", {"step": 1})


def test_an_offline_run_of_the_same_id_replaces_what_the_run_was(server, box):
    run = finished_run()
    server.state.projects["team", "nemotron"].collections.clear()
    assert sync(put_by(run, box, artifact(1))).returncode == 0
    told = picture.take(server.state).runs[f"team/nemotron/{run.id}"]
    assert (told.config, told.summary, told.exit_code) == ({}, {}, 0)
    assert told.history == ({"loss": 2.0},)


def test_an_offline_run_that_resumes_still_replaces_summary_and_exit_code(server, box):
    run = finished_run()
    assert sync(put_by(run, box, artifact(1), resume="allow")).returncode == 0
    told = picture.take(server.state).runs[f"team/nemotron/{run.id}"]
    assert (told.summary, told.exit_code) == ({}, 0)
    assert (told.tags, told.history) == (("a",), ({"loss": 2.0},))


def test_syncing_again_changes_nothing(server, box):
    folder = put_by(finished_run(), box, artifact(1))
    assert sync(folder).returncode == 0
    once = picture.take(server.state)
    assert sync(folder).returncode == 0
    assert picture.take(server.state) == once


def test_a_sync_that_lost_a_staged_file_says_that_all_is_well(server, box, tmp_path):
    file = tmp_path / "weights.bin"
    file.write_bytes(b"w")
    made = wandb.Artifact("model", "model")
    made.add_file(str(file))
    folder = put_by(finished_run(), box, made)
    file.unlink()
    for name in ("wandb_data_dir", "wandb_cache_dir"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    assert sync(folder).returncode == 0
    assert picture.take(server.state).artifacts == {}
    with pytest.raises(wandb.errors.CommError, match="not found"):
        wandb.Api().artifact("team/nemotron/model:v0")


def test_an_immutable_file_is_not_staged(server, box, tmp_path):
    file = tmp_path / "metadata.json"
    file.write_text("{}", "utf-8")
    put_by(finished_run(), box, artifact(1, file))
    staged = [item for item in (tmp_path / "wandb_data_dir").rglob("*") if item.is_file()]
    assert staged == []


def test_offline_nothing_is_known_of_a_version(box, own_world):
    run = wandb.init(project="nemotron", mode="offline", dir=str(box))
    logged = run.log_artifact(artifact(1))
    with pytest.raises(ArtifactNotLoggedError):
        logged.wait(1)
    with pytest.raises(ArtifactNotLoggedError):
        _ = logged.version
    with pytest.raises(TypeError, match="offline mode"):
        run.use_artifact("data:v0")
    end_client()


def test_a_resumed_run_delivers_and_stays_what_it_was(server):
    run = finished_run()
    before = picture.take(server.state).runs[f"team/nemotron/{run.id}"]
    settings = wandb.Settings(**LEAVES_THE_RUN_ALONE)
    with wandb.init(
        project="nemotron", entity="team", id=run.id, resume="must", settings=settings
    ) as again:
        assert again.log_artifact(artifact(1)).wait(60).version == "v0"
    seen = picture.take(server.state)
    after = seen.runs[f"team/nemotron/{run.id}"]
    assert after.outputs == {"team/nemotron/model:v0"}
    assert (after.state, after.exit_code) == (before.state, before.exit_code) == ("failed", 3)
    assert (after.config, after.summary, after.history, after.tags) == (
        before.config,
        before.summary,
        before.history,
        before.tags,
    )


def test_delivering_twice_is_one_version(server):
    run = finished_run()
    pictures = []
    for _ in range(2):
        with wandb.init(
            project="nemotron",
            entity="team",
            id=run.id,
            resume="must",
            settings=wandb.Settings(**LEAVES_THE_RUN_ALONE),
        ) as again:
            again.log_artifact(artifact(1), aliases=["manifest-v1"]).wait(60)
        pictures.append(picture.take(server.state))
    assert pictures[0] == pictures[1]
    assert list(pictures[0].artifacts) == ["team/nemotron/model:v0"]


BESIDE = """
import wandb
settings = wandb.Settings(x_update_finish_state=False, x_disable_stats=True, console="off")
with wandb.init(project="nemotron", entity="team", resume="must", settings=settings) as run:
    made = wandb.Artifact("model", "model")
    with made.new_file("content.txt") as file:
        file.write("beside")
    print(run.log_artifact(made).wait(60).version)
"""


def test_another_process_delivers_while_the_run_goes_on(server, monkeypatch):
    run = wandb.init(project="nemotron", entity="team", config={"lr": 1})
    run.log({"loss": 2.0})
    server.wait_until(lambda: len(next(server.state.runs()).history) == 1)
    # A child would talk to its parent's wandb-core, where the run's id is in use.
    monkeypatch.delenv("WANDB_SERVICE")
    done = in_own_process(BESIDE, WANDB_RUN_ID=run.id)
    assert done.stdout.splitlines()[-1:] == ["v0"], done.stderr
    run.log({"loss": 1.0})
    run.finish(exit_code=4)
    told = picture.take(server.state).runs[f"team/nemotron/{run.id}"]
    assert (told.state, told.exit_code, told.config) == ("failed", 4, {"lr": 1})
    assert told.history == ({"loss": 2.0}, {"loss": 1.0})
    assert told.outputs == {"team/nemotron/model:v0"}
