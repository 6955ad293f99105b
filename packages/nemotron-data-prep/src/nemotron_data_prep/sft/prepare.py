"""Fine-tuning data: conversations to packed sequences with loss masks.

Output of a run::

    <output_dir>/<run id>/
        splits/{train,valid,test}/shard_NNNNNN.parquet    (or <split>_<pack_size>.npy)
        blend.json      {"train": ["1.0", "/…/splits/train"], "valid": …, "test": …}
        report.json, receipt.json

A split without sequences has no folder, and null in ``blend.json``. The columns, and why the
mask is shifted, are described in :mod:`nemotron_data_prep.output.packed`.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from nemo_runspec.amounts import show_count
from nemo_runspec.artifacts import SFTDataArtifact
from nemo_runspec.errors import DataError
from nemotron_data_prep.chat.template_choice import template_digest
from nemotron_data_prep.config import SPLITS, SftPrepConfig
from nemotron_data_prep.results import (
    PrepResult,
    file_ledgers,
    first_examples,
    record_metadata,
    source_datasets,
    tokenizer_metadata,
)
from nemotron_data_prep.runs import Finished, Run, execute
from nemotron_data_prep.sft.accounts import lost_examples, packing_accounts
from nemotron_data_prep.sft.job import TOKENIZED, SftJob, sft_job
from nemotron_data_prep.sft.packing_plan import PackingPlan, plan_packs
from nemotron_data_prep.sft.packs import npy_name, write_packs
from nemotron_data_prep.sft.shard import tokenize_conversations
from nemotron_data_prep.sft.task import SftTask, make_sequence_maker, sample_texts
from nemotron_data_prep.sft.tokenized import TokenizedShards, kept_shards
from nemotron_data_prep.staging import write_json
from nemotron_data_prep.tokenizing.backend import choose_backend, used_backends, warm_up
from nemotron_data_prep.tokenizing.gigatoken import TextByTextEncoder, offsets_refusal
from nemotron_data_prep.tokenizing.specimens import specimens

logger = logging.getLogger(__name__)


def prepare_sft(config: SftPrepConfig) -> PrepResult:
    """Render, tokenize, mask and pack a blend of conversations.

    Raises:
        DataError: The blend, the tokenizer or a record is unusable, or the disk is full.
        ConfigError: The chat template is unusable.
    """
    job = sft_job(config)
    steps = _Steps(job)
    run = Run(
        label="sft",
        config=config,
        plan=job.plan,
        id=job.run_id,
        function=tokenize_conversations,
        make_task=steps.tokenize,
        assemble=steps.pack,
        shards_folder=job.shards_folder,
        keep_shards=config.retention == "tokenized",
        warm_up=partial(warm_up, config.tokenizer_backend, job.task.tokenizer, TextByTextEncoder),
    )
    finished = execute(run)
    _mention_other_shards(config)
    return PrepResult(_artifact(finished, job), finished.cache_hit, finished.report)


class _Steps:
    """What a run asks for in turn: how its shards are tokenized, unless all are kept, and packed.

    Args:
        job: The preparation.
    """

    def __init__(self, job: SftJob) -> None:
        self._job = job
        self._tokenizes = False

    def tokenize(self) -> SftTask:
        """Say how a shard is tokenized; the tokenizer's library is chosen here."""
        self._tokenizes = True
        plan, task = self._job.plan, self._job.task
        backend = choose_backend(
            self._job.config.tokenizer_backend,
            task.tokenizer,
            lambda: specimens(plan, partial(sample_texts, make_sequence_maker(task))),
            offsets_refusal,
            TextByTextEncoder,
        )
        return replace(task, backend=backend)

    def pack(self, staged: Path, shards: Path, receipts: list[dict[str, Any]]) -> dict[str, Any]:
        """Pack the tokenized shards, and report."""
        if not self._tokenizes:
            count = show_count(len(receipts), "shard")
            logger.info("sft: nothing is tokenized, only packed: %s in %s", count, shards)
        return _assemble(self._job, staged, shards, receipts)


def _mention_other_shards(config: SftPrepConfig) -> None:
    others = config.output_dir.absolute() / TOKENIZED
    if config.retention == "none" and others.is_dir():
        logger.info(
            "tokenized shards of other runs are kept in %s: remove what you need not", others
        )


def _assemble(
    job: SftJob, staged: Path, shards: Path, receipts: list[dict[str, Any]]
) -> dict[str, Any]:
    config, plan = job.config, job.plan
    folders = [shards / shard.name for shard in plan.shards]
    tokenized = TokenizedShards.load(folders)
    packing = plan_packs(tokenized, config, plan)
    report = packing_accounts(plan, packing, file_ledgers(plan, receipts), config)
    _require_training_data(report, packing, config)
    write_packs(tokenized, packing, config, staged)
    _write_blend(config, report["splits"], job.folder, staged)
    examples = [*first_examples(plan, receipts), *lost_examples(plan, packing, config)]
    kept = kept_shards(shards, receipts) if config.retention == "tokenized" else None
    return {
        **report,
        "examples": examples,
        "tokenizer_backends": used_backends(receipts),
        **job.tokenizer.report,
        "tokenized": kept,
    }


def _require_training_data(
    report: dict[str, Any], packing: PackingPlan, config: SftPrepConfig
) -> None:
    if report["splits"]["train"]["sequences"]:
        return
    if packing.long.all():
        raise DataError(
            f"Every sequence is longer than a pack of {config.pack_size} tokens.",
            where="pack_size",
            hint="Raise pack_size, or set on_too_long=truncate.",
        )
    dropped = report["totals"]["dropped"]
    reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "none"
    raise DataError(
        f"No sequence is left for the training split (records left out: {reasons}).",
        where="split",
        hint=_more_training_data(set(dropped)),
    )


def _more_training_data(reasons: set[str]) -> str:
    ways = ["Give split.train a larger share"]
    if "too_long" in reasons:
        ways.append("raise pack_size")
    if "sampled_out" in reasons:
        ways.append("raise the 'weight' of the datasets")
    return f"{', or '.join(ways)}."


def _write_blend(config: SftPrepConfig, splits: dict[str, Any], folder: Path, staged: Path) -> None:
    paths = {split: _split_path(split, config, splits, folder) for split in SPLITS}
    blend = {split: None if path is None else ["1.0", path] for split, path in paths.items()}
    write_json(staged / "blend.json", blend)


def _split_path(
    split: str, config: SftPrepConfig, splits: dict[str, Any], folder: Path
) -> str | None:
    if not splits[split]["packs"]:
        return None
    if config.format == "npy":
        return str(folder / npy_name(split, config.pack_size))
    return str(folder / "splits" / split)


def _artifact(finished: Finished, job: SftJob) -> SFTDataArtifact:
    config, report = job.config, finished.report
    packing = report["packing"]
    paths = {
        split: _split_path(split, config, report["splits"], finished.folder) for split in SPLITS
    }
    return SFTDataArtifact(
        path=finished.folder,
        pack_size=config.pack_size,
        total_tokens=packing["tokens"],
        trained_tokens=packing["trained_tokens"],
        training_path=paths["train"],
        validation_path=paths["valid"],
        test_path=paths["test"],
        num_packs=packing["packs"],
        tokenizer=report.get("tokenizer", job.tokenizer.origin),
        chat_template=f"sha256:{template_digest(job.task.template, job.task.tool_template)}",
        source_datasets=source_datasets(job.plan, report),
        metadata={
            "run_id": report["run_id"],
            **tokenizer_metadata(report, job.tokenizer.digest),
            **record_metadata(report),
            "sequences_dropped": packing["dropped"],
            "truncated": packing["truncated"],
            "fill": packing["fill"],
        },
    )
