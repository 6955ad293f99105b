"""Aliases that a job gives to what it records, as the server gets to know them."""

from __future__ import annotations

import pytest
from wandb_server import picture

from nemo_runspec.artifacts import ModelArtifact, log_artifact, setup_artifact_tracking
from nemotron_kit_wandb import finish_run, init_wandb_from_env


def config_of(folder, *, both, **run):
    return {
        "run": {**run, "wandb": {"project": "nemotron", "entity": "team"}},
        "artifacts": {
            "wandb": True,
            "manifest": {"root": str(folder / "store") if both else None},
        },
    }


@pytest.mark.parametrize("both", [True, False])
def test_they_move_to_the_latest_and_another_job_reads_by_them(
    server, own_world, tmp_path, monkeypatch, both
):
    monkeypatch.setenv("WANDB_PROJECT", "nemotron")
    monkeypatch.setenv("WANDB_ENTITY", "team")
    config = config_of(tmp_path, both=both, output="model", aliases=["pipe-1"])
    with setup_artifact_tracking(config) as tracking:
        init_wandb_from_env(job_type="training")
        for step in (5, 10):
            log_artifact(ModelArtifact(path=tmp_path, step=step), tracking)
        finish_run()
    seen = picture.take(server.state).artifacts
    assert "pipe-1" not in seen["team/nemotron/model:v0"].aliases
    own = {"manifest-v2"} if both else set()
    assert seen["team/nemotron/model:v1"].aliases == {"latest", "pipe-1", *own}
    reader = config_of(tmp_path, both=both, model="model:pipe-1")
    with setup_artifact_tracking(reader) as tracking:
        assert tracking.resolve("model:pipe-1").document["step"] == 10
        assert tracking.qualified_names == [
            f"team/nemotron/model:{'manifest-v2' if both else 'v1'}"
        ]
