"""The trackers as the backend opens them: they hear of the start of training.

Above the trackers, since what a run is told at its start stands on them.
"""

from __future__ import annotations

from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemotron_kit_wandb.deferred import DeferredTracker
from nemotron_kit_wandb.patches import patch_wandb_init_for_lineage
from nemotron_kit_wandb.tracker import WandbTracker


class ListeningTracker(WandbTracker):
    """The tracker that is alone."""

    def training_started(self, tracking: ArtifactTrackingResult) -> None:
        """Register what the job uses, in the run that there is and in every later one."""
        patch_wandb_init_for_lineage(tracking=tracking)


class ListeningDeferredTracker(DeferredTracker):
    """The tracker beside manifests."""

    def training_started(self, tracking: ArtifactTrackingResult) -> None:
        """Register what the job uses, in the run that there is and in every later one."""
        patch_wandb_init_for_lineage(tracking=tracking)
