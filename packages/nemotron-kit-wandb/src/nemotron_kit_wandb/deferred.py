"""The W&B backend beside manifests: it costs the caller no time, and loses no record."""

from __future__ import annotations

from pathlib import Path

from nemo_runspec.artifacts.backends import BackendSetup
from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.opening import active_tracking
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.settings import environment_settings
from nemo_runspec.artifacts.tracker import Lineage, LoggedArtifact, ResolvedArtifact
from nemotron_kit_wandb.calling import WandbUnreachableError
from nemotron_kit_wandb.credentials import find_server
from nemotron_kit_wandb.delivery import courier_of
from nemotron_kit_wandb.destination import Destination
from nemotron_kit_wandb.reach import answers
from nemotron_kit_wandb.recording import make_manifest_record
from nemotron_kit_wandb.records import RunIdentity, WandbRecord
from nemotron_kit_wandb.resolver import WandbResolver
from nemotron_kit_wandb.runs import active_run

_RESOLVE_S = 5.0
_MOST_SILENCES = 2


class DeferredTracker:
    """Artifacts in W&B as copies of what the manifest store holds.

    :meth:`log` writes a small file and returns; another thread delivers it. Looking a reference
    up is bounded, and not tried again where the server was silent before.

    Args:
        setup: What the backend is opened with.
    """

    backend = "wandb"

    def __init__(self, setup: BackendSetup) -> None:
        self._destination = Destination.configured(
            setup.settings.get("project"), setup.settings.get("entity")
        )
        self._courier = courier_of(setup.run_dir)
        self._courier.beside(setup.manifest_root)
        self._resolver = WandbResolver(self._destination, mode=setup.mode, timeout_s=_RESOLVE_S)
        self._silences = 0

    def log(self, artifact: Artifact, *, name: str, lineage: Lineage) -> LoggedArtifact:
        """Hand a version over that the manifest store has recorded.

        Args:
            artifact: What was recorded; its version is that of the manifest.
            name: The name that it was recorded under.
            lineage: What it was made from.

        Raises:
            ArtifactError: A file to upload is not there, or two entries have one name.
        """
        run = active_run()
        record = make_manifest_record(
            artifact,
            name=name,
            lineage=lineage,
            destination=self._destination,
            run=None if run is None or run.disabled else RunIdentity.of(run),
        )
        self._courier.hand_over(record)
        return LoggedArtifact(name, artifact.version)

    def resolve(self, reference: ArtifactReference) -> ResolvedArtifact:
        """Find the version that a reference means, where the server answers.

        Raises:
            WandbUnreachableError: It does not, or did not before.
            ArtifactNotFoundError: There is no such version.
        """
        if self._silences >= _MOST_SILENCES or not answers():
            self._silences += 1
            raise WandbUnreachableError(
                f"W&B at {find_server()} does not answer.",
                hint="Check that it can be reached from here, or give a path in place of the name.",
            )
        try:
            return self._resolver.resolve(reference)
        except WandbUnreachableError:
            self._silences += 1
            raise

    def edge_name(self, reference: str) -> str:
        """The full W&B name of a version of the manifest store; asks no server."""
        return self._destination.edge_name(reference)


def hand_over(record: WandbRecord, run_dir: Path | None = None) -> None:
    """Let a record be delivered, now or later. Returns at once, and never raises.

    Args:
        record: The record.
        run_dir: Where it waits; by default the job's run directory.
    """
    courier_of(run_dir).hand_over(record)


def beside_manifests() -> bool:
    """Whether manifests are recorded too, so that W&B may fail without harm."""
    tracking = active_tracking()
    if tracking is not None:
        return tracking.manifest
    return environment_settings().root is not None
