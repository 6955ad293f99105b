"""Replace ``latest`` and aliases by the versions they mean when a job is submitted."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from omegaconf import DictConfig, OmegaConf, open_dict

from nemo_runspec.artifacts.opening import open_tracking
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.artifacts.settings import read_settings
from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.errors import StoreError
from nemo_runspec.resolvers.references import is_direct, references_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunReference:
    """One reference of a job.

    Attributes:
        key: Its key in the ``run`` section.
        requested: The reference as the user wrote it.
        resolved: What it means now; None where the store is out of reach from here.
    """

    key: str
    requested: str
    resolved: ResolvedArtifact | None

    @property
    def pinned(self) -> str:
        """The reference with its version; as requested for paths and where it is unknown."""
        if self.resolved is None or self.resolved.ref is None:
            return self.requested
        pinned = ArtifactReference.parse(self.resolved.ref)
        return str(replace(pinned, inside=ArtifactReference.parse(self.requested).inside))


def resolve_run_references(
    job: DictConfig,
    artifacts_key: str = "run",
    declared: Collection[str] = (),
    visible: Callable[[str], bool] | None = None,
) -> list[RunReference]:
    """Resolve the ``run.*`` references of a job, without making its tracking current.

    Args:
        job: The job's configuration.
        artifacts_key: The section that holds the references.
        declared: Keys that the recipe declares to read artifacts from.
        visible: Says which references can be looked up from here, by default all; the others
            stay as they are.

    Raises:
        ArtifactNotFoundError: A reference means nothing.
        ArtifactError: A reference is a name, and tracking is off.
    """
    tracking = open_tracking(read_settings(job, artifacts_key), config=OmegaConf.create({}))
    found: list[RunReference] = []
    for key, requested in references_of(job, artifacts_key, declared).items():
        if is_direct(key):
            continue
        if visible is not None and not visible(requested):
            found.append(RunReference(key, requested, None))
            continue
        try:
            resolved = tracking.resolve(requested)
        except StoreError as error:
            logger.warning(
                "%s.%s stays unpinned until the job starts: %s", artifacts_key, key, error
            )
            resolved = None
        found.append(RunReference(key, requested, resolved))
    return found


def pin_references(job: DictConfig, artifacts_key: str = "run") -> DictConfig:
    """Copy a job's configuration with its references pinned, ``name:latest`` as ``name:v2``.

    A reference whose store is out of reach from here stays; the job's rank 0 pins it.

    Args:
        job: The job's configuration; it is not changed.
        artifacts_key: The section that holds the references.

    Raises:
        ArtifactNotFoundError: A reference means nothing.
        ArtifactError: A reference is a name, and tracking is off.
    """
    found = resolve_run_references(job, artifacts_key)
    return with_references(job, {item.key: item.pinned for item in found}, artifacts_key)


def with_references(
    job: DictConfig, references: Mapping[str, str], artifacts_key: str = "run"
) -> DictConfig:
    """Copy a job's configuration with other references.

    Args:
        job: The job's configuration; it is not changed.
        references: The reference for each key of the section.
        artifacts_key: The section that holds the references.
    """
    copied = copy.deepcopy(job)
    with open_dict(copied):
        for key, reference in references.items():
            copied[artifacts_key][key] = reference
    return copied
