"""What this package offers to the tracking of nemo-runspec: the entry point's object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.backends import BackendSetup, Delivery, Preflight
from nemo_runspec.artifacts.tracker import Tracker


class WandbBackend:
    """W&B as a tracking backend; nothing here imports wandb before it is used."""

    def open(self, setup: BackendSetup) -> Tracker:
        """Open the tracker: the reliable one, or the one that stands beside manifests."""
        if setup.best_effort:
            from nemotron_kit_wandb.listening import ListeningDeferredTracker

            return ListeningDeferredTracker(setup)
        from nemotron_kit_wandb.listening import ListeningTracker

        return ListeningTracker(
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

    def job_environment(
        self, settings: Mapping[str, Any], environ: Mapping[str, str]
    ) -> Mapping[str, str]:
        """Collect what lets a job use W&B, without asking the server."""
        from nemotron_kit_wandb.preflight import job_environment

        return job_environment(settings, environ)

    def job_run(self, settings: Mapping[str, Any], job_type: str) -> AbstractContextManager[object]:
        """Start a run, and end it with the block; a run that is active already is left alone."""
        from nemotron_kit_wandb.job_run import job_run

        return job_run(settings, job_type)

    def pending(self, run_dir: Path) -> Sequence[Delivery]:
        """List the records of a run, without asking the server."""
        from nemotron_kit_wandb.sync import list_pending

        return list_pending(run_dir)

    def deliver(self, run_dir: Path) -> Sequence[Delivery]:
        """Deliver what is pending, and verify it."""
        from nemotron_kit_wandb.sync import deliver_run

        return deliver_run(run_dir)

    def deliver_manifest(self, reference: str, root: str) -> Sequence[Delivery]:
        """Deliver a version again from its manifest."""
        from nemotron_kit_wandb.sync import deliver_manifest

        return deliver_manifest(reference, root)


BACKEND = WandbBackend()
