"""A preview, for people and as data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nemo_runspec.amounts import show_count, show_size
from nemotron_data_prep.accounting import REASONS
from nemotron_data_prep.config import PrepConfig
from nemotron_data_prep.plan import Plan

Basis = Literal["output", "tokenized", "all_records", "sample"]
Rows = tuple[tuple[str, str], ...]

_BAR_CELLS = 24


@dataclass(frozen=True, slots=True)
class Preview:
    """What a preparation would make.

    Attributes:
        stage: ``pretrain``, ``sft`` or ``rl``.
        basis: What the numbers come from: the ``output`` that exists already, ``tokenized``
            shards that are kept, ``all_records``, or a ``sample`` of them.
        rows: Labels and texts, for people.
        data: The same as JSON values.
    """

    stage: str
    basis: Basis
    rows: Rows
    data: Mapping[str, Any]

    @property
    def exact(self) -> bool:
        """Whether a run would make exactly this."""
        return self.basis != "sample"

    @property
    def title(self) -> str:
        """What to write above the rows."""
        return f"Data Preview ({'exact' if self.exact else 'estimate'})"

    def as_text(self) -> str:
        """The preview as lines of text."""
        return as_text(self.title, self.rows)


@dataclass(frozen=True, slots=True)
class Place:
    """What is read, and where the output appears.

    Attributes:
        config: The stage's configuration.
        plan: What is read.
        folder: Where the output appears.
    """

    config: PrepConfig
    plan: Plan
    folder: Path


def as_text(title: str, rows: Rows) -> str:
    """A title and rows as lines of text, the texts below each other."""
    width = max(len(label) for label, _ in rows)
    return "\n".join([title, *(f"  {label:{width}} {text}" for label, text in rows)])


def make_preview(
    place: Place, basis: Basis, facts: Mapping[str, Any], rows: Iterable[tuple[str, str]]
) -> Preview:
    """Put a preview together.

    Args:
        place: What is read, and where the output appears.
        basis: What the numbers come from.
        facts: The stage's own part of the data: ``stage``, ``records``, ``records_sampled``,
            ``examples`` and what the output will hold.
        rows: The stage's own rows.
    """
    plan, folder = place.plan, str(place.folder)
    stops = run_stoppers(place.config, facts["examples"])
    size = show_size(plan.size_bytes)
    files, shards = show_count(len(plan.files), "file"), show_count(len(plan.shards), "shard")
    data = {
        "basis": basis,
        "exact": basis != "sample",
        "output": folder,
        "files": len(plan.files),
        "size_bytes": plan.size_bytes,
        "shards": len(plan.shards),
        **facts,
        "stops": stops,
    }
    head = [
        ("Sources:", f"{files}, {size}, in {shards}"),
        ("Output:", folder),
        ("Basis:", basis_text(basis, facts)),
    ]
    stop_rows = [("A run stops:", f"{stop['where']}: {stop['what']}") for stop in stops]
    return Preview(facts["stage"], basis, (*head, *rows, *stop_rows), data)


def basis_text(basis: Basis, facts: Mapping[str, Any]) -> str:
    """Say in words what the numbers come from."""
    if basis == "output":
        return "the output exists: a run is a cache hit"
    if basis == "tokenized":
        return "exact: tokenized shards are kept, only packing runs"
    if basis == "all_records":
        return f"exact: all {facts['records_sampled']:,} records were read"
    records = facts["records"]["in"]
    return f"estimate from a sample of {facts['records_sampled']:,} of about {records:,} records"


def estimated_records(
    datasets: Iterable[Mapping[str, Any]], stands_for: Iterable[float]
) -> dict[str, Any]:
    """Estimate the records of all datasets from those of a sample.

    Args:
        datasets: The counts of every dataset's sample.
        stands_for: How many records each of them stands for.

    Returns:
        ``records_in``, ``records_out`` and ``dropped``, which add up.
    """
    out = 0
    dropped: Counter[str] = Counter()
    for counts, scale in zip(datasets, stands_for, strict=True):
        out += round(counts["records_out"] * scale)
        dropped.update({key: round(count * scale) for key, count in counts["dropped"].items()})
    return {
        "records_in": out + dropped.total(),
        "records_out": out,
        "dropped": dict(sorted(dropped.items())),
    }


def records_text(records: Mapping[str, Any]) -> str:
    """Say how many records are used, and why others are not."""
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in records["dropped"].items())
    return f"{records['out']:,} of {records['in']:,}" + (
        f"; left out: {reasons}" if reasons else ""
    )


def run_stoppers(config: PrepConfig, examples: Iterable[Mapping[str, str]]) -> list[dict[str, str]]:
    """The first record of each reason at which a run with this configuration stops."""
    stops: dict[str, dict[str, str]] = {}
    for example in examples:
        entry = REASONS[example["reason"]]
        if entry.setting is None or getattr(config, entry.setting, None) != "stop":
            continue
        detail = f": {example['detail']}" if example["detail"] else ""
        what = f"{entry.sentence.rstrip('.')}{detail} ({entry.setting}=stop)"
        stops.setdefault(example["reason"], {**example, "what": what})
    return list(stops.values())


def length_rows(bins: Iterable[Mapping[str, int]]) -> list[tuple[str, str]]:
    """A histogram as rows."""
    listed = list(bins)
    most = max((item["sequences"] for item in listed), default=0)
    rows: list[tuple[str, str]] = []
    for item in listed:
        cells = -(-item["sequences"] * _BAR_CELLS // max(1, most))
        text = f"{item['from']:>7,} to {item['to']:>7,} {item['sequences']:>11,} {'#' * cells}"
        rows.append(("" if rows else "Lengths:", text.rstrip()))
    return rows
