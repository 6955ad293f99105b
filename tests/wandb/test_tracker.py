"""The W&B backend where it is the only one, with the unmodified client on the test server."""

from __future__ import annotations

import pytest
import wandb

from nemo_runspec.testing import TrackerConformance
from nemotron_kit_wandb.tracker import WandbTracker


class TestWandbTracker(TrackerConformance):
    first_version = 0
    server_assigns_versions = True

    @pytest.fixture
    def tracker(self, server):  # noqa: ARG002 - it stands behind the client
        with wandb.init(project="nemotron", entity="team"):
            yield WandbTracker("nemotron", "team")

    def another(self, tracker):  # noqa: ARG002 - the kit gives it
        return WandbTracker("nemotron", "team")
