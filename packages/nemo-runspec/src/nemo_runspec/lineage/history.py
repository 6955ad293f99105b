"""The manifests of everything that two artifacts were made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from nemo_runspec.lineage.pairing import artifact_name
from nemo_runspec.lineage.reading import Reading, read_manifests
from nemo_runspec.lineage.records import plain_reference, unique
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker


@dataclass(frozen=True)
class History:
    """What a version was made from.

    Attributes:
        ref: The version.
        readings: It and everything it was made from, by reference.
    """

    ref: str
    readings: Mapping[str, Reading]

    @cached_property
    def landmarks(self) -> set[str]:
        """By what another history can be told to be related: names, raw data, recipes."""
        found: set[str] = set()
        for ref, reading in self.readings.items():
            found.add(f"name {artifact_name(ref)}")
            if reading.manifest is not None:
                found |= {f"raw {uri}" for uri in reading.manifest.inputs}
                recipe = reading.manifest.provenance.get("runspec")
                found |= {f"recipe {recipe}"} if recipe else set()
        return found


def read_history(tracker: ManifestTracker, start: Manifest) -> History:
    """Read everything that a version was made from, a generation at a time.

    Args:
        tracker: The store.
        start: The version.
    """
    readings = {start.ref: Reading(start.ref, start)}
    level: list[str] = _new(readings, readings.values())
    while level:
        found = read_manifests(tracker, level)
        readings |= found
        level = _new(readings, found.values())
    return History(start.ref, readings)


def used_by(manifest: Manifest) -> list[str]:
    """The artifacts that a version was made from, each once."""
    return unique(plain_reference(text) for text in manifest.used_artifacts)


def _new(known: Mapping[str, Reading], readings: Iterable[Reading]) -> list[str]:
    manifests = [reading.manifest for reading in readings if reading.manifest is not None]
    used = unique(ref for manifest in manifests for ref in used_by(manifest))
    return [ref for ref in used if ref not in known]
