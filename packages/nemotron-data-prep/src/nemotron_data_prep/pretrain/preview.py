"""What tokenizing text would give."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from nemo_runspec.amounts import show_count, show_size
from nemotron_data_prep.blend import labels
from nemotron_data_prep.config import SPLITS, PretrainPrepConfig
from nemotron_data_prep.plan import Plan, Shard
from nemotron_data_prep.pretrain.prepare import pretrain_plan, pretrain_task
from nemotron_data_prep.pretrain.shard import DocumentCounts, tokenize_into
from nemotron_data_prep.previewing.counts import Counted, count
from nemotron_data_prep.previewing.model import (
    Place,
    Preview,
    make_preview,
    records_text,
)
from nemotron_data_prep.tokenizing.backend import hugging_face


def preview_pretrain(config: PretrainPrepConfig) -> Preview:
    """Show what :func:`~nemotron_data_prep.prepare_pretrain` would make; nothing is written.

    Records that would stop a run are counted, and named.

    Raises:
        DataError: The blend, the tokenizer or a file is unusable.
    """
    plan, tokenizer, eod_id = pretrain_plan(config)
    folder = config.output_dir.absolute() / plan.id
    task = replace(
        pretrain_task(config, plan, tokenizer, eod_id, hugging_face()), on_invalid="skip"
    )

    def read(shard: Shard, batches: int | None) -> dict[str, Any]:
        return tokenize_into(task, shard, DocumentCounts(), batches)

    counted = count(plan, folder, read)
    datasets = _datasets(plan, counted)
    facts = {
        "stage": "pretrain",
        "records": counted.records,
        "records_sampled": counted.records_read,
        "datasets": datasets,
        "splits": counted.splits,
        "examples": counted.examples,
    }
    rows = [
        ("Documents:", records_text(counted.records)),
        *((f"{label}:", _dataset_text(entry)) for label, entry in datasets.items()),
        *((f"{split}:", _split_text(counted.splits[split])) for split in SPLITS),
    ]
    return make_preview(Place(config, plan, folder), counted.basis, facts, rows)


def _datasets(plan: Plan, counted: Counted) -> dict[str, dict[str, Any]]:
    files = [
        [file for file in plan.files if file.dataset == index]
        for index in range(len(plan.datasets))
    ]
    return {
        label: {
            "weight": dataset.weight,
            "files": len(mine),
            "size_bytes": sum(file.size_bytes for file in mine),
            **counted.datasets[label],
        }
        for label, dataset, mine in zip(labels(plan.datasets), plan.datasets, files, strict=True)
    }


def _dataset_text(entry: dict[str, Any]) -> str:
    return (
        f"weight {entry['weight']:g}; {show_count(entry['files'], 'file')}, "
        f"{show_size(entry['size_bytes'])}, "
        f"{show_count(entry['tokens'], 'token')}"
    )


def _split_text(counts: dict[str, int]) -> str:
    documents, tokens = (counts.get(key, 0) for key in ("documents", "tokens"))
    return f"{show_count(documents, 'document')}, {show_count(tokens, 'token')}"
