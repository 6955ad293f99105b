"""What packing conversations would give: exact where they are tokenized, else estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nemo_runspec.amounts import show_count
from nemotron_data_prep.config import SPLITS, SftPrepConfig
from nemotron_data_prep.plan import Shard
from nemotron_data_prep.previewing.drawing import Drawn, draw
from nemotron_data_prep.previewing.model import (
    Basis,
    Place,
    Preview,
    estimated_records,
    length_rows,
    make_preview,
    records_text,
)
from nemotron_data_prep.results import file_ledgers, first_examples
from nemotron_data_prep.runs import read_report
from nemotron_data_prep.sft.accounts import (
    length_bins,
    lost_examples,
    packing_accounts,
    split_counts,
)
from nemotron_data_prep.sft.job import SftJob, sft_job
from nemotron_data_prep.sft.packing_plan import PackingPlan, plan_packs
from nemotron_data_prep.sft.shard import tokenize_into
from nemotron_data_prep.sft.task import SftTask
from nemotron_data_prep.sft.tokenized import SequenceTable, TokenizedShard, TokenizedShards
from nemotron_data_prep.staging import read_receipt

_SEQUENCES_PACKED = 200_000
_STEP_OF_COPIES = 0x9E3779B97F4A7C15
_ROUNDING = 1e-6

Read = tuple[TokenizedShard, dict[str, Any]]


def preview_sft(config: SftPrepConfig) -> Preview:
    """Show what :func:`~nemotron_data_prep.prepare_sft` would make; nothing is written.

    Records that would stop a run are counted, and named.

    Raises:
        DataError: The blend, the tokenizer or a file is unusable.
        ConfigError: The chat template is unusable.
    """
    job = sft_job(config)
    report = read_report(job.folder)
    if report is not None:
        return _preview(job, "output", report, report["totals"]["records_in"])
    folders = [job.shards / shard.name for shard in job.plan.shards]
    receipts = [receipt for receipt in map(read_receipt, folders) if receipt is not None]
    if len(receipts) == len(folders):
        return _exact(job, "tokenized", TokenizedShards.load(folders), receipts)
    task = replace(job.task, policies=_counting(job.task.policies))
    drawn = draw(job.plan)
    if drawn is None:
        read = [_tokenize(task, shard, None) for shard in job.plan.shards]
        shards = TokenizedShards([shard for shard, _ in read])
        return _exact(job, "all_records", shards, [receipt for _, receipt in read])
    return _estimated(job, drawn, [_tokenize(task, part.shard, part.batches) for part in drawn])


def _counting(policies: Mapping[str, str]) -> dict[str, str]:
    """Settings under which no record stops anything."""
    counted = {"on_invalid": "skip"}
    return {
        key: counted.get(key, "drop") if value == "stop" else value
        for key, value in policies.items()
    }


def _tokenize(task: SftTask, shard: Shard, batches: int | None) -> Read:
    tokens, trained = BytesIO(), BytesIO()
    table, receipt = tokenize_into(task, shard, tokens, trained, batches)
    ids = np.frombuffer(tokens.getvalue(), dtype="<i4")
    return TokenizedShard(table, ids, np.frombuffer(trained.getvalue(), dtype="u1")), receipt


def _exact(
    job: SftJob, basis: Basis, shards: TokenizedShards, receipts: list[dict[str, Any]]
) -> Preview:
    _, report = _packed(job, shards, receipts)
    return _preview(job, basis, report, report["totals"]["records_in"])


def _packed(
    job: SftJob, shards: TokenizedShards, receipts: list[dict[str, Any]]
) -> tuple[PackingPlan, dict[str, Any]]:
    """The packs of some shards, and what a report would say of them."""
    plan, config = job.plan, _dropping(job.config)
    packing = plan_packs(shards, config, plan)
    report = packing_accounts(plan, packing, file_ledgers(plan, receipts), config)
    examples = [*first_examples(plan, receipts), *lost_examples(plan, packing, config)]
    return packing, {**report, "examples": examples}


def _dropping(config: SftPrepConfig) -> SftPrepConfig:
    return replace(config, on_too_long="drop") if config.on_too_long == "stop" else config


def _estimated(job: SftJob, drawn: list[Drawn], read: list[Read]) -> Preview:
    config = _dropping(job.config)
    tokenized = [shard for shard, _ in read]
    # Packing cuts sequences in the shards it is given, so each time it gets its own.
    packing, report = _packed(job, TokenizedShards(tokenized), [receipt for _, receipt in read])
    shards = TokenizedShards(tokenized)
    stands_for = np.array([part.stands_for for part in drawn])
    scale = _multiply(shards, stands_for[packing.dataset])
    whole = plan_packs(shards, config, job.plan)
    splits = {
        name: {
            key: _scaled(value, scale) for key, value in counts.items() if key != "conversations"
        }
        for name, counts in split_counts(whole, config).items()
    }
    document = {
        "totals": estimated_records(report["datasets"].values(), stands_for),
        "splits": splits,
        "packing": {
            "lengths": [
                {**item, "sequences": round(item["sequences"] * scale)}
                for item in length_bins(np.repeat(whole.original, whole.uses))
            ]
        },
        "examples": report["examples"],
    }
    return _preview(job, "sample", document, report["totals"]["records_in"])


def _multiply(shards: TokenizedShards, stands_for: NDArray[np.float64]) -> float:
    """Repeat the sequences of a sample as often as each stands for others.

    Args:
        shards: The sample; its table is replaced.
        stands_for: How many sequences each stands for, (sequences,).

    Returns:
        How many sequences each of the repeated ones stands for: 1, or more for large data, of
        which a part is packed.
    """
    scale = max(1.0, float(stands_for.sum()) / _SEQUENCES_PACKED)
    ends = np.floor(np.cumsum(stands_for / scale) + _ROUNDING).astype(np.int64)
    times = np.diff(ends, prepend=0)
    table = shards.table
    source = np.repeat(np.arange(len(table)), times)
    copy = np.arange(len(source), dtype=np.uint64) * np.uint64(_STEP_OF_COPIES)
    shards.table = SequenceTable(
        table.length[source],
        table.trained[source],
        table.file[source],
        table.key[source] + copy,
        np.arange(len(source)),
        table.shard[source],
        table.offset[source],
    )
    return scale


def _scaled(value: Any, scale: float) -> Any:
    if isinstance(value, dict):
        return {key: round(count * scale) for key, count in value.items()}
    return round(value * scale) if isinstance(value, int) else value


def _preview(job: SftJob, basis: Basis, report: Mapping[str, Any], read: int) -> Preview:
    totals = report["totals"]
    records = {
        "in": totals["records_in"],
        "out": totals["records_out"],
        "dropped": totals["dropped"],
    }
    bins = report["packing"]["lengths"]
    facts = {
        "stage": "sft",
        "records": records,
        "records_sampled": read,
        "pack_size": job.config.pack_size,
        "packing": job.config.packing,
        "splits": report["splits"],
        "lengths": bins,
        "examples": report["examples"],
    }
    rows = [
        ("Records:", records_text(records)),
        *((f"{split}:", _split_text(report["splits"][split])) for split in SPLITS),
        *length_rows(bins),
    ]
    return make_preview(Place(job.config, job.plan, job.folder), basis, facts, rows)


def _split_text(counts: Mapping[str, Any]) -> str:
    if not counts["packs"]:
        return "no packs" + _lost_text(counts)
    return (
        f"{show_count(counts['packs'], 'pack')}, {100 * counts['fill']:.2f}% full; "
        f"{show_count(counts['tokens'], 'token')}, {counts['trained_tokens']:,} trained"
        + _lost_text(counts)
    )


def _lost_text(counts: Mapping[str, Any]) -> str:
    lost = [f"{count:,} {reason}" for reason, count in counts["dropped"].items() if count]
    if counts["truncated"]:
        lost.append(f"{counts['truncated']:,} truncated")
    return f"; sequences {', '.join(lost)}" if lost else ""
