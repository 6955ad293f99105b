"""Make the record of a version anew, from its manifest."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from nemo_runspec.artifacts.base import Artifact
from nemo_runspec.artifacts.settings import EMBEDDED_ROOT, environment_settings
from nemo_runspec.artifacts.tracker import Lineage
from nemo_runspec.distributed.folders import RUNS_FOLDER
from nemo_runspec.errors import ArtifactNotFoundError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemotron_kit_wandb.config import load_wandb_config
from nemotron_kit_wandb.destination import Destination
from nemotron_kit_wandb.outbox import Outbox
from nemotron_kit_wandb.publishing import WandbPublishError
from nemotron_kit_wandb.recording import make_manifest_record
from nemotron_kit_wandb.records import OWN_SECTION, RunIdentity, WandbRecord


def rebuild_record(
    reference: str,
    root: str | None = None,
    *,
    project: str | None = None,
    entity: str | None = None,
) -> WandbRecord:
    """Make the record of a version anew; the same one, however often it is made.

    Args:
        reference: The version in the manifest store.
        root: The store; by default the environment's, else ``./artifacts``.
        project: The W&B project; by default that of ``[wandb]`` in env.toml.
        entity: Its team or user.

    Raises:
        ArtifactNotFoundError: There is no such version.
        WandbPublishError: No project is named.
    """
    settings = environment_settings()
    place = root or settings.root or str(Path.cwd() / EMBEDDED_ROOT)
    tracker = ManifestTracker(place, single_writer=settings.single_writer)
    try:
        manifest = tracker.find(reference)
    except ArtifactNotFoundError as error:
        raise ArtifactNotFoundError(
            f"W&B does not have {reference}, and neither a record nor a manifest of it is found.",
            where=place,
            hint="Name its store with --root.",
        ) from error
    destination = _destination(project, entity)
    resolved = tracker.resolve(manifest.ref)
    artifact = Artifact.from_document(dict(resolved.document), where=resolved.where)
    lineage = Lineage(
        inputs=list(manifest.inputs),
        input_revisions=dict(manifest.input_revisions),
        used_artifacts=list(manifest.used_artifacts),
        provenance=dict(manifest.provenance),
    )
    record = make_manifest_record(
        artifact,
        name=manifest.name,
        lineage=lineage,
        destination=destination,
        run=_run_of_producer(manifest.producer),
    )
    return _identified(record, manifest.claim_id or f"manifest-{manifest.ref}")


def _destination(project: str | None, entity: str | None) -> Destination:
    if project is not None:
        return Destination(project, entity)
    configured = load_wandb_config()
    if configured is None or not configured.enabled:
        raise WandbPublishError(
            "No W&B project is named to deliver to.",
            where="env.toml [wandb]",
            hint='Add `project = "NAME"` there.',
        )
    return Destination(configured.project, configured.entity)


def _run_of_producer(producer: str | None) -> RunIdentity | None:
    """The W&B run of the job that made a version, where its run directory is still there."""
    if producer is None:
        return None
    for folder in Path.cwd().joinpath(RUNS_FOLDER).glob(f"*/{producer}"):
        runs = Outbox(folder).runs()
        if runs:
            return runs[-1].identity
    return None


def _identified(record: WandbRecord, record_id: str) -> WandbRecord:
    """Give a record an id that follows from its manifest, so that W&B takes it once."""
    if record.artifact is None:
        return record
    own = {**record.artifact.document[OWN_SECTION], "record": record_id}
    document = {**record.artifact.document, OWN_SECTION: own}
    return replace(record, id=record_id, artifact=replace(record.artifact, document=document))
