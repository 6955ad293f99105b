"""What checking and splitting prompts would give."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from nemo_runspec.amounts import show_count
from nemotron_data_prep.config import SPLITS, RlPrepConfig
from nemotron_data_prep.plan import Shard
from nemotron_data_prep.previewing.counts import Counted, count
from nemotron_data_prep.previewing.model import Place, Preview, make_preview, records_text
from nemotron_data_prep.rl.prepare import rl_plan
from nemotron_data_prep.rl.shard import RlTask, split_into

_UNRESOLVED = "unresolved_placeholder"


def preview_rl(config: RlPrepConfig) -> Preview:
    """Show what :func:`~nemotron_data_prep.prepare_rl` would make; nothing is written.

    Records that would stop a run are counted, and named. Placeholders are not filled: their
    records are counted as they stand.

    Raises:
        DataError: The blend or a file is unusable.
    """
    plan, sources = rl_plan(config)
    folder = config.output_dir.absolute() / plan.id
    task = RlTask(plan.datasets, plan.files, config.split, config.seed, "skip")

    def read(shard: Shard, batches: int | None) -> dict[str, Any]:
        with Path(os.devnull).open("wb") as nowhere:
            return split_into(task, shard, dict.fromkeys(SPLITS, nowhere), batches)

    counted = count(plan, folder, read)
    if sources is not None and counted.basis != "output":
        counted = _with_placeholders_to_fill(counted)
    facts = {
        "stage": "rl",
        "records": counted.records,
        "records_sampled": counted.records_read,
        "splits": counted.splits,
        "examples": counted.examples,
    }
    rows = [("Prompts:", records_text(counted.records))]
    if counted.records.get("placeholders"):
        rows.append(
            ("Placeholders:", f"{counted.records['placeholders']:,} to fill, not counted below")
        )
    rows += [(f"{split}:", show_count(_records(counted, split), "prompt")) for split in SPLITS]
    return make_preview(Place(config, plan, folder), counted.basis, facts, rows)


def _records(counted: Counted, split: str) -> int:
    return counted.splits[split].get("records", 0)


def _with_placeholders_to_fill(counted: Counted) -> Counted:
    """Count records that a run will fill as records that it will use."""
    dropped = dict(counted.records["dropped"])
    waiting = dropped.pop(_UNRESOLVED, 0)
    records = {
        **counted.records,
        "out": counted.records["out"] + waiting,
        "dropped": dropped,
        "placeholders": waiting,
    }
    examples = [entry for entry in counted.examples if entry["reason"] != _UNRESOLVED]
    return replace(counted, records=records, examples=examples)
