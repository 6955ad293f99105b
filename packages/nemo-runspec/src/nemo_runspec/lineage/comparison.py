"""Where the histories of two artifacts first differ.

Inputs are paired, back to the raw data. Pairs are looked at from the raw data forward: what
differs is named where it differs first. What follows from it is not: another version of an input
whose own history says why, another tokenizer in training after another one in the data, the
references of inputs in a configuration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nemo_runspec.lineage.causes import Pair, own_differences
from nemo_runspec.lineage.configs import same_value
from nemo_runspec.lineage.differences import Difference
from nemo_runspec.lineage.history import History, read_history
from nemo_runspec.lineage.records import unique
from nemo_runspec.lineage.sides import Sides
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker

_FORMAT_VERSION = 1
_REPEATED = frozenset({"code", "software", "image", "tokenizer"})


@dataclass(frozen=True)
class Comparison:
    """In what two histories first differ.

    Attributes:
        left: A pinned reference.
        right: Another.
        related: Whether the two have anything in common that could be compared.
        differences: What differs, the furthest back first.
        notes: What cannot be told, in sentences.
        own_fields: Fields of the two artifacts themselves that differ, where nothing else does.
    """

    left: str
    right: str
    related: bool = True
    differences: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    own_fields: list[str] = field(default_factory=list)

    @property
    def summary(self) -> str:
        """The answer in one sentence."""
        both = f"{self.left} and {self.right}"
        if self.left == self.right:
            return f"Both are {self.left}."
        if not self.related:
            return f"{both} have nothing in common: no name, input or recipe."
        if self.differences:
            places = (
                "one thing" if len(self.differences) == 1 else f"{len(self.differences)} things"
            )
            return f"The histories of {both} first differ in {places}."
        if self.own_fields:
            fields = ", ".join(self.own_fields)
            return f"{both} have the same recorded history; their own fields differ: {fields}."
        return f"{both} have the same recorded history."

    def to_dict(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {
            "format_version": _FORMAT_VERSION,
            "left": self.left,
            "right": self.right,
            "related": self.related,
            "summary": self.summary,
            "categories": unique(item.category for item in self.differences),
            "differences": [item.to_dict() for item in self.differences],
            "own_fields": self.own_fields,
            "notes": self.notes,
        }


def compare_histories(tracker: ManifestTracker, left: str, right: str) -> Comparison:
    """Find where the histories of two artifacts first differ.

    Args:
        tracker: The store of both.
        left: A reference.
        right: Another.

    Raises:
        ArtifactNotFoundError: A reference means nothing.
        ManifestFormatError: The manifest of one of the two cannot be read.
        StoreError: The store cannot be read.
    """
    one, other = tracker.find(left), tracker.find(right)
    if one.ref == other.ref:
        return Comparison(one.ref, other.ref)
    histories = (read_history(tracker, one), read_history(tracker, other))
    if not histories[0].landmarks & histories[1].landmarks:
        return Comparison(one.ref, other.ref, related=False)
    walk = _Walk(*histories)
    found = walk.differences()
    return Comparison(
        one.ref,
        other.ref,
        differences=found,
        notes=unique(walk.notes),
        own_fields=[] if found else _different_fields(one, other),
    )


class _Walk:
    def __init__(self, left: History, right: History) -> None:
        self._start = (left.ref, right.ref)
        self._readings = {**left.readings, **right.readings}
        self._sides: dict[Pair, Sides | None] = {}
        self._explained: dict[Pair, bool] = {}
        self._tokenizers: dict[Pair, list[Difference]] = {}
        problems = (reading for reading in self._readings.values() if reading.problem)
        self.notes = [f"{each.ref} cannot be looked into: {each.problem}" for each in problems]

    def differences(self) -> list[Difference]:
        """All differences, the furthest back first."""
        found: list[Difference] = []
        told: set[tuple[str, ...]] = set()
        for pair in self._from_the_raw_data():
            for item in self._own(pair):
                if item.category not in _REPEATED or item.content not in told:
                    found.append(item)
                told.add(item.content)
        return found

    def _own(self, pair: Pair) -> list[Difference]:
        sides = self._side_by_side(pair)
        if sides is None:
            self._explained[pair], self._tokenizers[pair] = False, []
            return []
        inputs = self._inputs(pair)
        # Of a pair that waits for this one, in a circle, nothing can be told yet.
        known = {each: self._explained.get(each, True) for each in inputs}
        own = own_differences(sides, explained=lambda each: known.get(each, False))
        self.notes += sides.notes
        before = [item for each in inputs for item in self._tokenizers.get(each, [])]
        self._tokenizers[pair] = before + [item for item in own if item.category == "tokenizer"]
        self._explained[pair] = bool(own) or any(known.values())
        return [item for item in own if not _follows(item, before)]

    def _side_by_side(self, pair: Pair) -> Sides | None:
        if pair not in self._sides:
            left, right = (self._readings[ref].manifest for ref in pair)
            if left is None or right is None:
                self._sides[pair] = None
            else:
                self._sides[pair] = Sides(left, right, self._readings)
        return self._sides[pair]

    def _inputs(self, pair: Pair) -> list[Pair]:
        """The pairs of different inputs."""
        sides = self._side_by_side(pair)
        both = [] if sides is None else sides.artifacts.both
        return [(one, other) for one, other in both if one != other]

    def _from_the_raw_data(self) -> Iterator[Pair]:
        """Every pair, after those of its inputs."""
        seen = {self._start}
        ahead = [(self._start, iter(self._inputs(self._start)))]
        while ahead:
            pair, inputs = ahead[-1]
            new = next((each for each in inputs if each not in seen), None)
            if new is None:
                ahead.pop()
                yield pair
            else:
                seen.add(new)
                ahead.append((new, iter(self._inputs(new))))


def _follows(item: Difference, before: list[Difference]) -> bool:
    """Whether another tokenizer follows from those before, however it is spelt here."""
    if item.category != "tokenizer" or not before:
        return False
    pairs = [
        (_spelt_alike(item.left, each.left), _spelt_alike(item.right, each.right))
        for each in before
    ]
    contradicted = any(left != right for left, right in pairs)
    return (True, True) in pairs or not contradicted


def _spelt_alike(one: Any, other: Any) -> bool:
    if not isinstance(one, str) or not isinstance(other, str):
        return same_value(one, other)
    return one == other or one.endswith(f"/{other}") or other.endswith(f"/{one}")


def _different_fields(left: Manifest, right: Manifest) -> list[str]:
    one, other = ({**side.metadata, **(side.fields or {})} for side in (left, right))
    keys = unique([*one, *other])
    return [key for key in keys if one.get(key) != other.get(key)]
