"""What this package offers to the tracking of nemo-runspec: the entry point's object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.backends import BackendSetup, Delivery, Preflight
from nemo_runspec.artifacts.tracker import Tracker


class WandbBackend:
    """W&B as a tracking backend; nothing here imports wandb before it is used."""

    def open(self, setup: BackendSetup) -> Tracker:
        """Open the tracker: the reliable one, or the one that stands beside manifests."""
        from nemotron_kit_wandb.tracker import WandbTracker

        return WandbTracker(
            setup.settings.get("project"), setup.settings.get("entity"), mode=setup.mode
        )

    def preflight(self, settings: Mapping[str, Any]) -> Preflight:
        """Check, before a job is sent off, what would stop it there."""
        from nemotron_kit_wandb.preflight import preflight

        return preflight(settings)

    def advice(self) -> Sequence[str]:
        """Say what may be a slip where W&B is not asked for."""
        from nemotron_kit_wandb.preflight import advice

        return advice()

    def pending(self, run_dir: Path) -> Sequence[Delivery]:  # noqa: ARG002
        """List the records of a run, without asking the server."""
        return ()

    def deliver(self, run_dir: Path) -> Sequence[Delivery]:  # noqa: ARG002
        """Deliver what is pending, and verify it."""
        return ()


BACKEND = WandbBackend()
