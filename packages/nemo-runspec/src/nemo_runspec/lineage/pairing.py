"""Which input of one artifact corresponds to which of another."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass
class Pairs:
    """Two lists side by side.

    Attributes:
        both: What corresponds.
        left: What only the left has.
        right: What only the right has.
    """

    left: list[str]
    right: list[str]
    both: list[tuple[str, str]] = field(default_factory=list)

    def match(self, key: Callable[[str], str | None]) -> None:
        """Pair what is left over on both sides and has the same key, in order.

        Args:
            key: What tells that two correspond; None for what corresponds to nothing.
        """
        free: dict[str, list[str]] = {}
        for item in self.right:
            name = key(item)
            if name is not None:
                free.setdefault(name, []).append(item)
        for item in list(self.left):
            partners = free.get(key(item) or "")
            if partners:
                partner = partners.pop(0)
                self.both.append((item, partner))
                self.left.remove(item)
                self.right.remove(partner)


def pair_artifacts(
    left: Sequence[str], right: Sequence[str], type_of: Callable[[str], str | None]
) -> Pairs:
    """Pair references: equal ones, then those of one name, then those of one type.

    Args:
        left: References, each once.
        right: References, each once.
        type_of: The type of a reference; None where its record cannot be read.
    """
    pairs = Pairs(list(left), list(right))
    for key in (lambda ref: ref, artifact_name, type_of):
        pairs.match(key)
    return pairs


def pair_raw_inputs(left: Mapping[str, str | None], right: Mapping[str, str | None]) -> Pairs:
    """Pair URIs: equal ones, then those of one revision, of one file name, and what is left.

    Args:
        left: URI to revision.
        right: URI to revision.
    """
    pairs = Pairs(list(left), list(right))
    revisions = {**left, **right}
    for key in (lambda uri: uri, revisions.get, lambda uri: PurePosixPath(uri).name):
        pairs.match(key)
    pairs.match(lambda _: "any")
    return pairs


def artifact_name(ref: str) -> str:
    """The name in a pinned reference."""
    return ref.rpartition(":")[0] or ref
