"""``blend.json`` as Megatron-Bridge reads it: per split, weights and prefixes.

The value of each of ``train``, ``valid`` and ``test`` is a list, a text of words, or null. A list
of an even length whose 1st, 3rd … entries are numbers has weights; any other has prefixes alone.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nemo_runspec.errors import DataError
from nemo_runspec.suggest import did_you_mean
from nemotron_data_prep.config import SPLITS
from nemotron_data_prep.importing.layout import Layout


@dataclass(frozen=True, slots=True)
class BlendEntry:
    """One prefix of a split.

    Attributes:
        key: Where it stands, such as ``train[1]``.
        written: The prefix as it is written.
        prefix: The prefix, absolute: a relative one is relative to the blend's folder.
        weight: Its weight; None where the split has none.
    """

    key: str
    written: str
    prefix: str
    weight: float | None

    @property
    def relative(self) -> bool:
        """Whether the prefix is written without its folder."""
        return not Path(self.written).is_absolute()


def read_splits(layout: Layout) -> dict[str, list[BlendEntry]]:
    """Read the splits of a ``blend.json``.

    Returns:
        Split to its entries; none for a split that is null.

    Raises:
        DataError: A key is missing, a list is empty or malformed, or no split has data; the key
            is named.
    """
    if "datasets" in layout.document:
        raise DataError(
            "This lists datasets that a preparation has not prepared yet.",
            where=layout.key("datasets"),
            hint="Prepare it, or import the folder of an output.",
        )
    splits = {split: _entries(layout, split) for split in SPLITS}
    if not any(splits.values()):
        raise DataError("No split has data.", where=str(layout.file))
    return splits


def relative_note(splits: dict[str, list[BlendEntry]]) -> tuple[str, ...]:
    """Note that a job can miss relative prefixes."""
    relative = [entry for entries in splits.values() for entry in entries if entry.relative]
    if not relative:
        return ()
    first = relative[0]
    note = (
        f"{first.key} is relative ({first.written}): Megatron-Bridge opens it from the job's "
        "working directory; write absolute prefixes."
    )
    return (note,)


def _entries(layout: Layout, split: str) -> list[BlendEntry]:
    if split not in layout.document:
        others = set(layout.document) - set(SPLITS)
        raise DataError(
            f"The split {split!r} is missing.",
            where=layout.key(split),
            hint=f"Write null for a split without data. {_misspelt(split, others)}".strip(),
        )
    value = layout.document[split]
    if value is None:
        return []
    items = value.split() if isinstance(value, str) else value
    if not isinstance(items, list) or not items:
        raise DataError(
            "A split is a list of weights and prefixes that is not empty, or null.",
            where=layout.key(split),
        )
    return _paired(layout, split, items)


def _misspelt(split: str, others: set[str]) -> str:
    close = [name for name in others if did_you_mean(name, [split]) == f"Did you mean {split!r}?"]
    return f"Is {close[0]!r} meant to be it?" if close else ""


def _paired(layout: Layout, split: str, items: list[Any]) -> list[BlendEntry]:
    weights = [_number(item) for item in items[::2]]
    weighted = len(items) % 2 == 0 and None not in weights
    if not weighted:
        return [_entry(layout, f"{split}[{index}]", item, None) for index, item in enumerate(items)]
    return [
        _entry(layout, f"{split}[{2 * index + 1}]", items[2 * index + 1], weight)
        for index, weight in enumerate(weights)
    ]


def _entry(layout: Layout, key: str, item: Any, weight: float | None) -> BlendEntry:
    if _number(item) is not None:
        raise DataError(
            f"{item!r} is a weight where a prefix belongs.",
            where=layout.key(key),
            hint="Write a weight before every prefix, or none at all.",
        )
    if not isinstance(item, str) or not item.strip():
        raise DataError(f"{item!r} is no path prefix.", where=layout.key(key))
    if weight is not None and not (math.isfinite(weight) and weight > 0):
        raise DataError(f"The weight {weight} is no positive number.", where=layout.key(key))
    written = item.strip()
    if "://" in written:
        raise DataError(
            "The prefix lies on remote storage, which an import does not look at.",
            where=layout.key(key),
        )
    return BlendEntry(key, written, os.path.normpath(layout.folder / written), weight)


def _number(item: Any) -> float | None:
    if isinstance(item, bool) or not isinstance(item, str | int | float):
        return None
    try:
        return float(item)
    except ValueError:
        return None
    except OverflowError:
        return math.inf
