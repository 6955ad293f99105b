"""The trackers as the backend opens them: they hear what hooks of a framework tell.

Above the trackers, since what a run is told at its start stands on them.
"""

from __future__ import annotations

from nemo_runspec.artifacts.session import ArtifactTrackingResult
from nemotron_kit_wandb.deferred import DeferredTracker
from nemotron_kit_wandb.patches import patch_wandb_init_for_lineage
from nemotron_kit_wandb.runs import active_run
from nemotron_kit_wandb.tracker import WandbTracker
from nemotron_kit_wandb.withdrawals import announce_withdrawal


class ListeningTracker(WandbTracker):
    """The tracker that is alone."""

    def training_started(self, tracking: ArtifactTrackingResult) -> None:
        """Register what the job uses, in the run that there is and in every later one."""
        patch_wandb_init_for_lineage(tracking=tracking)

    def withdrawn(self, reference: str, *, reason: str) -> None:
        """Note on the page of a version why it was withdrawn; nobody waits for it."""
        run = active_run()
        destination = self._destination if run is None else self._destination.within(run)
        announce_withdrawal(destination.pinned_name(reference), reason)


class ListeningDeferredTracker(DeferredTracker):
    """The tracker beside manifests."""

    def training_started(self, tracking: ArtifactTrackingResult) -> None:
        """Register what the job uses, in the run that there is and in every later one."""
        patch_wandb_init_for_lineage(tracking=tracking)

    def withdrawn(self, reference: str, *, reason: str) -> None:
        """Note on the page of a version why it was withdrawn; nobody waits for it."""
        announce_withdrawal(self.edge_name(reference), reason)
