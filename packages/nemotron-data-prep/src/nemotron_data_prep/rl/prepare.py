"""Reinforcement-learning data: prompts with checkable answers, as NeMo-RL reads them.

Output of a run::

    <output_dir>/<run id>/
        train.jsonl, val.jsonl, test.jsonl     one NeMo-Gym record per line
        manifest.json                          files, records, sizes and digests per split
        report.json, receipt.json

A split without records has no file.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts import SplitJsonlDataArtifact
from nemo_runspec.errors import DataError
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.blend_file import read_blend
from nemotron_data_prep.config import SPLITS, RlPrepConfig
from nemotron_data_prep.plan import Plan, make_plan
from nemotron_data_prep.results import PrepResult, record_metadata, source_datasets
from nemotron_data_prep.rl.placeholders.rows import FILE, fetch_rows
from nemotron_data_prep.rl.placeholders.sources import Sources, find_sources, named_sources
from nemotron_data_prep.rl.shard import FILE_NAMES, RlTask, fills_placeholders, split_shard
from nemotron_data_prep.runs import WORK, Finished, Run, execute
from nemotron_data_prep.sources.files import find_files
from nemotron_data_prep.staging import write_json
from nemotron_data_prep.transforms.spec import with_transforms

FORMAT = "nemo_gym"
FORMAT_VERSION = 1


def prepare_rl(config: RlPrepConfig) -> PrepResult:
    """Check and split a blend of NeMo-Gym prompts.

    Raises:
        DataError: The blend or a record is unusable, or the disk is full.
    """
    plan, sources = rl_plan(config)
    task = RlTask(plan.datasets, plan.files, config.split, config.seed, config.on_invalid, sources)

    def make_task() -> RlTask:
        if sources is None:
            return task
        rows = run.shards / FILE
        filled = [at for at, dataset in enumerate(plan.datasets) if fills_placeholders(dataset)]
        fetch_rows(plan, filled, sources, rows)
        return replace(task, rows=rows)

    def assemble(staged: Path, shards: Path, receipts: list[dict[str, Any]]) -> dict[str, Any]:
        return _assemble(plan, sources, staged, shards, receipts)

    run = Run(
        label="rl",
        config=config,
        plan=plan,
        id=plan.id,
        function=split_shard,
        make_task=make_task,
        assemble=assemble,
        shards_folder=WORK,
    )
    finished = execute(run)
    return PrepResult(_artifact(finished, plan, sources), finished.cache_hit, finished.report)


def rl_plan(config: RlPrepConfig) -> tuple[Plan, Sources | None]:
    """Read the blend, and plan; nothing is written.

    Returns:
        The plan, and what placeholders stand for, where any are filled.

    Raises:
        DataError: The blend is unusable.
    """
    datasets = with_transforms(read_blend(config.blend), config.transform, config.blend)
    sources = _sources(datasets, config.blend)
    options = {
        "stage": "rl",
        "split": asdict(config.split),
        "seed": config.seed,
        "on_invalid": config.on_invalid,
        **({} if sources is None else {"placeholders": sources.identity()}),
    }
    plan = make_plan(datasets, find_files(datasets, config.seed), options, config.shard_size_bytes)
    return plan, sources


def _sources(datasets: Sequence[Dataset], blend: Path) -> Sources | None:
    """What placeholders stand for, where a transform is to fill them."""
    options = []
    for dataset in datasets:
        for at, spec in enumerate(dataset.transform):
            wanted = named_sources(spec)
            if wanted is None:
                continue
            if at > 0:
                raise DataError(
                    "Placeholders are filled by the first transform of a dataset.",
                    where=f"{blend}: {dataset.name}: transform",
                    hint="Put nemotron_rl before the others.",
                )
            options.append(wanted)
    return find_sources(options, blend.absolute().parent, str(blend))


def _assemble(
    plan: Plan, sources: Sources | None, staged: Path, shards: Path, receipts: list[dict[str, Any]]
) -> dict[str, Any]:
    splits = {
        split: {"records": sum(receipt["splits"][split] for receipt in receipts)}
        for split in SPLITS
    }
    if not splits["train"]["records"]:
        raise DataError(
            "No record fell into the training split.",
            where="split",
            hint="Give split.train a larger share.",
        )
    written = {
        split: _join(split, plan, staged, shards) for split in SPLITS if splits[split]["records"]
    }
    manifest = {
        "format_version": FORMAT_VERSION,
        "format": FORMAT,
        "splits": {
            split: {**splits[split], **written[split]} if split in written else None
            for split in SPLITS
        },
    }
    write_json(staged / "manifest.json", manifest)
    return {"splits": splits, **_filled(sources, receipts)}


def _filled(sources: Sources | None, receipts: list[dict[str, Any]]) -> dict[str, Any]:
    """How many placeholders were filled from each dataset behind them."""
    if sources is None:
        return {}
    filled: Counter[str] = Counter()
    for receipt in receipts:
        filled.update(receipt["filled"])
    counts = [filled[str(index)] for index in range(len(sources.datasets))]
    return {"placeholders_filled": counts}


def _join(split: str, plan: Plan, staged: Path, shards: Path) -> dict[str, Any]:
    target = staged / FILE_NAMES[split]
    with target.open("xb") as output:
        for shard in plan.shards:
            with (shards / shard.name / FILE_NAMES[split]).open("rb") as piece:
                shutil.copyfileobj(piece, output, 1 << 20)
    with target.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return {
        "file": target.name,
        "size_bytes": target.stat().st_size,
        "sha256": digest,
    }


def _artifact(finished: Finished, plan: Plan, sources: Sources | None) -> SplitJsonlDataArtifact:
    report = finished.report
    paths = {
        split: str(finished.folder / name) if report["splits"][split]["records"] else None
        for split, name in FILE_NAMES.items()
    }
    behind = sources.lineage(report["placeholders_filled"]) if sources else []
    return SplitJsonlDataArtifact(
        path=finished.folder,
        train_path=paths["train"],
        val_path=paths["valid"],
        test_path=paths["test"],
        num_records=report["totals"]["sequences"],
        splits=report["splits"],
        source_datasets=[*source_datasets(plan, report), *behind],
        metadata={
            "run_id": report["run_id"],
            **record_metadata(report),
        },
    )
