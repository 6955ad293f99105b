"""A test's records do not reach the runs of the tests after it."""

from __future__ import annotations

import pytest
import wandb
from wandb_server import picture
from wandb_server.fixtures import end_deliveries

from nemo_runspec.artifacts import Artifact, log_artifact, setup_artifact_tracking
from nemotron_kit_wandb import finish_run, patch_wandb_init_for_lineage

CONFIG = {
    "run": {"wandb": {"project": "nemotron", "entity": "team"}},
    "artifacts": {"manifest": {"root": "store"}, "wandb": True},
}


@pytest.mark.parametrize("ended", [True, False])
def test_a_record_without_a_run_waits_for_one_until_its_test_ends(server, own_world, ended):
    with setup_artifact_tracking(CONFIG):
        log_artifact(Artifact(path=own_world), name="data")
        if ended:
            end_deliveries(own_world)
        patch = patch_wandb_init_for_lineage()
        try:
            wandb.init(project="nemotron", entity="team", id="later")
            finish_run()
        finally:
            patch.undo()
    outputs = picture.take(server.state).runs["team/nemotron/later"].outputs
    assert outputs == (frozenset() if ended else {"team/nemotron/data:v0"})
