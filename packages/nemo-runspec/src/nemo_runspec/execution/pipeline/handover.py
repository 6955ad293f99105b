"""What a stage hands on: looked up by the chain's own alias, so that nobody else's slips in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import OmegaConf

from nemo_runspec.artifacts.opening import open_tracking
from nemo_runspec.artifacts.paths import local_path
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.settings import TrackingSettings
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.errors import ArtifactNotFoundError, ArtifactWithdrawnError
from nemo_runspec.execution.pipeline.model import Stage
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


def handed_on(
    stage: Stage, alias: str, refs: Sequence[str], *, elsewhere: bool = False
) -> str | None:
    """The version that a stage hands on; None where it recorded none under its name.

    Args:
        stage: A stage that ended well.
        alias: The chain's alias.
        refs: What its job says that it recorded.
        elsewhere: Whether it ran where this machine's files are not.

    Raises:
        StoreError: The store cannot be read.
    """
    if stage.recipe.artifacts.writes is None:
        return None
    if elsewhere and not _is_in_reach(stage.tracking):
        own = (ref for ref in reversed(refs) if ref.partition(":")[0] == stage.output)
        return next(own, None)
    found = find_handover(stage.tracking, stage.output, alias)
    return None if found is None else found.ref


def nothing_made(stage: Stage, refs: Sequence[str]) -> str:
    """Say that a stage which ended well made nothing to hand on.

    Args:
        stage: The stage.
        refs: What it recorded instead.
    """
    recorded = f"; it recorded {', '.join(refs)}" if refs else ""
    return f"It ended well, and recorded no {stage.output}, which is read later{recorded}."


def why_gone(
    tracking: TrackingSettings, stage: StageRecord, alias: str, *, elsewhere: bool = False
) -> str | None:
    """Say why what a stage handed on cannot be read any more.

    Args:
        tracking: Where it recorded.
        stage: A stage that has run.
        alias: The chain's alias.
        elsewhere: Whether it ran where this machine's files are not.

    Returns:
        The reason, in words that follow the artifact; None where it is there, where
        nothing was made, or where only the machine of the jobs sees the store.
    """
    if stage.artifact is None or (elsewhere and not _is_in_reach(tracking)):
        return None
    found = find_handover(tracking, stage.output, alias)
    if found is None:
        return "is withdrawn or not recorded any more"
    if found.ref != stage.artifact:
        return f"is not what {stage.output}:{alias} means: that is {found.ref}"
    return None if _is_there(found) else f"has lost its data at {found.path}"


def _is_in_reach(tracking: TrackingSettings) -> bool:
    folder = None if tracking.root is None else local_path(tracking.root)
    return folder is None or folder.expanduser().exists()


def _is_there(found: ResolvedArtifact) -> bool:
    place: Path | None = local_path(found.path)
    return place is None or place.expanduser().exists()
