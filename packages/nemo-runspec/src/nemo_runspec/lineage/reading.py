"""Read many manifests at once, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.errors import ArtifactError, InvalidReferenceError, ManifestFormatError
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker
from nemo_runspec.manifest_tracker.parallel import in_parallel
from nemo_runspec.manifest_tracker.versions import tombstone_path


@dataclass(frozen=True)
class Reading:
    """What came of reading one manifest: it, or why it cannot be read.

    Attributes:
        ref: The reference, as :func:`~nemo_runspec.lineage.records.plain_reference` spells it.
        manifest: The manifest.
        problem: Why there is none.
    """

    ref: str
    manifest: Manifest | None = None
    problem: str | None = None


def read_manifests(tracker: ManifestTracker, refs: Iterable[str]) -> dict[str, Reading]:
    """Read the manifests that references mean; a failure is an answer, too.

    Args:
        tracker: The store.
        refs: References, each once.
    """
    readings = in_parallel(lambda ref: read_manifest(tracker, ref), list(refs))
    return {reading.ref: reading for reading in readings}


def read_manifest(tracker: ManifestTracker, ref: str) -> Reading:
    """Read the manifest that a pinned reference means; a failure is an answer, too."""
    try:
        reference = ArtifactReference.parse(ref)
    except InvalidReferenceError as error:
        return Reading(ref, problem=str(error))
    if reference.owner is not None:
        return Reading(ref, problem="it is recorded in W&B, not in this store")
    if reference.version is None:
        return Reading(ref, problem="it is not known which version was used: this is not pinned")
    try:
        return Reading(ref, manifest=tracker.read(reference.name, reference.version))
    except ArtifactError as error:
        return Reading(ref, problem=str(error))


def withdrawals(tracker: ManifestTracker, versions: Sequence[tuple[str, int]]) -> dict[str, str]:
    """Which of some versions were withdrawn, by reference, and why.

    Args:
        tracker: The store.
        versions: Names and numbers.
    """

    def reason(version: tuple[str, int]) -> str | None:
        if not tracker.files.exists(tombstone_path(*version)):
            return None
        try:
            notice = tracker.withdrawal(*version)
        except ManifestFormatError as error:
            return str(error)
        return None if notice is None else notice.reason

    reasons = in_parallel(reason, versions)
    found = zip(versions, reasons, strict=True)
    return {f"{name}:v{number}": why for (name, number), why in found if why is not None}
