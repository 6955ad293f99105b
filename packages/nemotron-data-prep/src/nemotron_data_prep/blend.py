"""What a blend is made of: its datasets, and the transforms of their records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class TransformSpec:
    """A transform as a blend names it.

    Attributes:
        name: A known transform, or ``module:function``.
        options: What else the entry says.
        version: Of a known transform its revision, of a function the digest of its source file;
            empty before the run is planned.
        folder: Where the planner found the module of a function, for workers that do not.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    version: str = ""
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset of a blend.

    Attributes:
        name: Letters, digits, ``.``, ``_``, ``-``; names folders of the output.
        path: A local path, glob or folder, or a URL that fsspec opens.
        weight: Its share of the blend for pretraining; elsewhere how often each record is
            used: 0.5 keeps every other one, 2 repeats each.
        format: ``jsonl``, ``parquet`` or ``text``; None goes by the files' suffixes.
        sample_by: What one record of a text file is.
        split: Puts all records into this split; None splits by content.
        text_field: The key of the text.
        messages_field: The key of the conversation.
        tools_field: The key of the tools offered in the conversation.
        revision: Branch, tag or commit of a dataset on the Hub; None is its default branch.
        subset: The configuration of a dataset on the Hub, as its card names it.
        source_split: The split of a dataset on the Hub to read.
        rows: How many records to draw from all files together; None uses all.
        fraction: The share of the records to draw; None uses all.
        transform: What happens to each record before anything else looks at it, in order.
    """

    name: str
    path: str
    weight: float = 1.0
    format: str | None = None
    sample_by: str = "document"
    split: str | None = None
    text_field: str = "text"
    messages_field: str = "messages"
    tools_field: str = "tools"
    revision: str | None = None
    subset: str | None = None
    source_split: str | None = None
    rows: int | None = None
    fraction: float | None = None
    transform: tuple[TransformSpec, ...] = ()


def labels(datasets: Sequence[Dataset]) -> list[str]:
    """A name for each dataset that no other has: ``split/name`` where a name is in two splits."""
    count = Counter(dataset.name for dataset in datasets)
    return [
        dataset.name if count[dataset.name] == 1 else f"{dataset.split}/{dataset.name}"
        for dataset in datasets
    ]
