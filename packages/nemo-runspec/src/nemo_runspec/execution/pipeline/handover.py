"""What a stage hands on: looked up by the chain's own alias, so that nobody else's slips in."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf

from nemo_runspec.artifacts.opening import open_tracking
from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.settings import TrackingSettings
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.errors import ArtifactNotFoundError, ArtifactWithdrawnError
from nemo_runspec.execution.pipeline.record import StageRecord


def find_handover(tracking: TrackingSettings, output: str, alias: str) -> ResolvedArtifact | None:
    """Find the version that a stage recorded for its chain.

    Args:
        tracking: Where it recorded.
        output: The name that it recorded under.
        alias: The chain's alias.

    Returns:
        None where there is none, or artifacts are not tracked.

    Raises:
        StoreError: The store cannot be read.
    """
    if tracking.root is None and not tracking.wandb:
        return None
    opened = open_tracking(tracking, config=OmegaConf.create({}))
    try:
        return opened.resolve(str(ArtifactReference(output, alias)))
    except (ArtifactNotFoundError, ArtifactWithdrawnError):
        return None


def why_gone(tracking: TrackingSettings, stage: StageRecord, alias: str) -> str | None:
    """Say why what a stage handed on cannot be read any more.

    Args:
        tracking: Where it recorded.
        stage: A stage that has run.
        alias: The chain's alias.

    Returns:
        The reason, in words that follow the artifact; None where it is there, or nothing was.
    """
    if stage.artifact is None:
        return None
    found = find_handover(tracking, stage.output, alias)
    if found is None:
        return "is withdrawn or not recorded any more"
    if found.ref != stage.artifact:
        return f"is not what {stage.output}:{alias} means: that is {found.ref}"
    return None if _is_there(found) else f"has lost its data at {found.path}"


def _is_there(found: ResolvedArtifact) -> bool:
    place: Path | None = local_path(found.path)
    return place is None or place.expanduser().exists()
