"""Two artifacts side by side, with their inputs paired."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nemo_runspec.lineage.configs import Spelling
from nemo_runspec.lineage.differences import Category, Difference
from nemo_runspec.lineage.history import used_by
from nemo_runspec.lineage.pairing import Pairs, pair_artifacts, pair_raw_inputs
from nemo_runspec.lineage.reading import Reading
from nemo_runspec.lineage.records import imported_from, unique
from nemo_runspec.manifest_tracker import Manifest


@dataclass
class Sides:
    """Two artifacts that correspond to each other.

    Attributes:
        left: A manifest.
        right: Another.
        readings: The manifests of their inputs, by reference.
        notes: What cannot be told of them, in sentences.
    """

    left: Manifest
    right: Manifest
    readings: Mapping[str, Reading]
    notes: list[str] = field(default_factory=list)

    @property
    def both(self) -> tuple[Manifest, Manifest]:
        """The two manifests."""
        return (self.left, self.right)

    @property
    def at(self) -> tuple[str, str]:
        """The two references."""
        return (self.left.ref, self.right.ref)

    @cached_property
    def artifacts(self) -> Pairs:
        """Their input artifacts side by side."""
        return pair_artifacts(used_by(self.left), used_by(self.right), self._type_of)

    @cached_property
    def raw(self) -> Pairs:
        """Their raw inputs side by side."""
        return pair_raw_inputs(*self.revisions)

    @cached_property
    def revisions(self) -> tuple[dict[str, str | None], dict[str, str | None]]:
        """Their raw inputs: URI to revision."""
        return (_revisions(self.left), _revisions(self.right))

    @property
    def configs(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
        """Their configurations; None where none was recorded."""
        return (_config(self.left), _config(self.right))

    @property
    def fields(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was recorded of the artifacts themselves."""
        return (_fields(self.left), _fields(self.right))

    @property
    def imported(self) -> tuple[str | None, str | None]:
        """Where they were imported from; None where they were made."""
        return (imported_from(self.left.provenance), imported_from(self.right.provenance))

    @property
    def spellings(self) -> tuple[Spelling, Spelling]:
        """How their configurations spell what corresponds to each other."""
        return (self._spelling(0, self.artifacts.left), self._spelling(1, self.artifacts.right))

    def recorded(self, key: str) -> tuple[Any, Any]:
        """What their provenance says under a key."""
        return (self.left.provenance.get(key), self.right.provenance.get(key))

    def difference(
        self, category: Category, key: str, values: tuple[Any, Any], remark: str | None = None
    ) -> Difference:
        """Make a difference between the two."""
        return Difference(category, key, *values, at=self.at, remark=remark)

    def problem_of(self, refs: Iterable[str]) -> str | None:
        """Why one of their inputs cannot be looked into, where that is so."""
        readings = [self.readings[ref] for ref in refs if ref in self.readings]
        return next((reading.problem for reading in readings if reading.problem), None)

    def _spelling(self, side: int, unpaired: list[str]) -> Spelling:
        spelling = Spelling(self.both[side].name)
        for number, pair in enumerate(self.artifacts.both):
            spelling.add_artifact(pair[side], self._path_of(pair[side]), f"<artifact {number}>")
        for ref in unpaired:
            spelling.add_artifact(ref, self._path_of(ref), None)
        for number, pair in enumerate(self.raw.both):
            spelling.words[pair[side]] = f"<raw {number}>"
        return spelling

    def _type_of(self, ref: str) -> str | None:
        manifest = self._manifest_of(ref)
        return None if manifest is None else manifest.type

    def _path_of(self, ref: str) -> str | None:
        manifest = self._manifest_of(ref)
        return None if manifest is None else manifest.path

    def _manifest_of(self, ref: str) -> Manifest | None:
        reading = self.readings.get(ref)
        return None if reading is None else reading.manifest


def _revisions(manifest: Manifest) -> dict[str, str | None]:
    return {uri: manifest.input_revisions.get(uri) for uri in unique(manifest.inputs)}


def _fields(manifest: Manifest) -> dict[str, Any]:
    return {**manifest.metadata, **(manifest.fields or {})}


def _config(manifest: Manifest) -> dict[str, Any] | None:
    values = manifest.provenance.get("config_values")
    return values if isinstance(values, dict) else None
