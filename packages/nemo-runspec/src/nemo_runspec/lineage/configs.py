"""Where two configurations differ by themselves, not because their inputs do."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.errors import InvalidReferenceError
from nemo_runspec.lineage.pairing import artifact_name

_ABSENT = object()
_OUTPUT = "<output>"
_NOT_CAUSES = ("run.output", "run.provenance", "artifacts")


@dataclass(frozen=True)
class ChangedKey:
    """A key with another value.

    Attributes:
        key: The dotted key.
        left: Its value on the left; None where it has none.
        right: Its value on the right; None where it has none.
        only: The side that has the key at all, where the other has not.
    """

    key: str
    left: Any
    right: Any
    only: str | None = None


@dataclass
class Spelling:
    """How one side spells what corresponds to something on the other: all get one word.

    Attributes:
        output: The name of what was made.
        words: Text to word: references, paths and URIs of inputs. None where nothing on the
            other side corresponds to the input.
        names: Name of an input artifact to word, for references that are not pinned.
    """

    output: str
    words: dict[str, str | None] = field(default_factory=dict)
    names: dict[str, str | None] = field(default_factory=dict)

    def add_artifact(self, ref: str, path: str | None, word: str | None) -> None:
        """Make an input artifact known by its references and by its path."""
        self.words[ref] = word
        self.names.setdefault(artifact_name(ref), word)
        if path:
            self.words[path] = word

    def plain(self, value: Any) -> Any:
        """A value with every such text replaced by its word."""
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {key: self.plain(item) for key, item in value.items()}
        return self._plain_text(value) if isinstance(value, str) else value

    def _plain_text(self, text: str) -> str | None:
        if text == self.output:
            return _OUTPUT
        for known, word in self.words.items():
            if text == known or ("/" in text and known.endswith(f"/{text}")):
                return word
        reference = _reference(text)
        if reference is None or reference.name not in self.names:
            return self._replaced(text)
        word = self.names[reference.name]
        return f"{word}/{reference.inside}" if word and reference.inside else word

    def _replaced(self, text: str) -> str | None:
        for known, word in self.words.items():
            pattern = rf"(?<![\w.-]){re.escape(known)}(?![\w.-])"
            if known not in text or not re.search(pattern, text):
                continue
            if word is None:
                return None
            text = re.sub(pattern, word, text)
        return text


def changed_keys(
    left: Mapping[str, Any], right: Mapping[str, Any], spellings: Sequence[Spelling]
) -> Iterator[ChangedKey]:
    """List the keys whose values differ, in the order of the left.

    Args:
        left: A configuration.
        right: Another.
        spellings: How each of the two spells its inputs and its output.
    """
    for key, one, other in _leaves(left, right, ""):
        if any(key == skipped or key.startswith(f"{skipped}.") for skipped in _NOT_CAUSES):
            continue
        plain = (spellings[0].plain(_shown(one)), spellings[1].plain(_shown(other)))
        # What stands for an input that the other side lacks is as good as absent; a null is not.
        if _is_added_null(one, other) or not same_value(*plain):
            only = "right" if one is _ABSENT else "left" if other is _ABSENT else None
            yield ChangedKey(key, _shown(one), _shown(other), only)


def changed_fields(left: Mapping[str, Any], right: Mapping[str, Any]) -> Iterator[ChangedKey]:
    """List the fields that both have and whose values differ.

    Args:
        left: What was recorded of an artifact; another release may record more.
        right: What was recorded of another.
    """
    for key, one, other in _leaves(left, right, ""):
        if one is not _ABSENT and other is not _ABSENT and not same_value(one, other):
            yield ChangedKey(key, one, other)


def flat(values: Mapping[str, Any], wanted: Callable[[str], bool]) -> dict[str, Any]:
    """The dotted keys of nested values that are wanted, with their values."""
    return {key: value for key, value, _ in _leaves(values, values, "") if wanted(key)}


def same_value(one: Any, other: Any) -> bool:
    """Tell whether two JSON values are one: ``1`` is ``1.0``, and no ``true``."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same_value, one, other))
    return bool(one == other)


def _is_added_null(one: Any, other: Any) -> bool:
    return (one is None and other is _ABSENT) or (one is _ABSENT and other is None)


def _reference(text: str) -> ArtifactReference | None:
    try:
        return ArtifactReference.parse(text)
    except InvalidReferenceError:
        return None


def _shown(value: Any) -> Any:
    return None if value is _ABSENT else value


def _leaves(left: Any, right: Any, key: str) -> Iterator[tuple[str, Any, Any]]:
    keys = _keys(left, right)
    if keys is None:
        yield key, left, right
        return
    for part in keys:
        inner = f"{key}.{part}" if key else str(part)
        yield from _leaves(_item(left, part), _item(right, part), inner)


def _keys(left: Any, right: Any) -> list[Any] | None:
    """What both can be looked into by; None for two values."""
    sides = [side for side in (left, right) if side is not _ABSENT]
    if all(isinstance(side, Mapping) and side for side in sides):
        return list(dict.fromkeys(key for side in sides for key in side))
    if all(isinstance(side, list) and side for side in sides) and len({*map(len, sides)}) == 1:
        return list(range(len(sides[0])))
    return None


def _item(side: Any, part: Any) -> Any:
    if side is _ABSENT:
        return _ABSENT
    return side.get(part, _ABSENT) if isinstance(side, Mapping) else side[part]
