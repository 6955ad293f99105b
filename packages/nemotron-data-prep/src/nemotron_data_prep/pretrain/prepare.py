"""Pretraining data: text to Megatron's ``.bin/.idx`` with a ``blend.json`` per split.

Output of a run::

    <output_dir>/<run id>/
        blend.json              {"train": ["0.7", "/…/shard_000000", …], "valid": …, "test": …}
        splits/<split>/<dataset>/shard_NNNNNN.bin, .idx
        report.json, receipt.json

``blend.json`` is what Megatron-Bridge's ``per_split_data_args_path`` reads: weights and prefixes
in turn, null for a split without documents. A dataset's weight is shared among its shards by
their tokens.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts import PretrainBlendsArtifact
from nemo_runspec.errors import DataError
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.blend_file import read_blend
from nemotron_data_prep.config import SPLITS, PretrainPrepConfig
from nemotron_data_prep.plan import Plan, Shard, make_plan
from nemotron_data_prep.pretrain.shard import (
    CORES_PER_SHARD,
    PretrainTask,
    sample_texts,
    tokenize_shard,
)
from nemotron_data_prep.results import (
    PrepResult,
    record_metadata,
    source_datasets,
    tokenizer_metadata,
)
from nemotron_data_prep.runs import WORK, Finished, Run, execute
from nemotron_data_prep.sources.files import find_files
from nemotron_data_prep.staging import link_or_copy, write_json
from nemotron_data_prep.tokenizing.backend import (
    Backend,
    backend_options,
    choose_backend,
    used_backends,
    warm_up,
)
from nemotron_data_prep.tokenizing.specimens import specimens
from nemotron_data_prep.tokenizing.tokenizer import (
    TokenizerFiles,
    describe_tokenizer,
    load_tokenizer,
    token_dtype,
    token_id,
    vocabulary_size,
)
from nemotron_data_prep.transforms.spec import with_transforms


def prepare_pretrain(config: PretrainPrepConfig) -> PrepResult:
    """Tokenize a blend of text datasets for Megatron.

    Raises:
        DataError: The blend, the tokenizer or a record is unusable, or the disk is full.
    """
    plan, tokenizer, eod_id = pretrain_plan(config)
    folder = config.output_dir.absolute() / plan.id

    def assemble(staged: Path, shards: Path, receipts: list[dict[str, Any]]) -> dict[str, Any]:
        return _assemble(plan, folder, staged, shards, receipts) | tokenizer.report

    def make_task() -> PretrainTask:
        backend = choose_backend(
            config.tokenizer_backend, tokenizer.path, lambda: specimens(plan, sample_texts)
        )
        return pretrain_task(config, plan, tokenizer, eod_id, backend)

    run = Run(
        label="pretrain",
        config=config,
        plan=plan,
        id=plan.id,
        function=tokenize_shard,
        make_task=make_task,
        assemble=assemble,
        shards_folder=WORK,
        warm_up=partial(warm_up, config.tokenizer_backend, tokenizer.path),
        cores_per_shard=CORES_PER_SHARD,
    )
    finished = execute(run)
    return PrepResult(_artifact(finished, plan, tokenizer), finished.cache_hit, finished.report)


def pretrain_plan(config: PretrainPrepConfig) -> tuple[Plan, TokenizerFiles, int]:
    """Read the blend and the tokenizer, and plan; nothing is written.

    Returns:
        The plan, the tokenizer, and the id that ends documents.

    Raises:
        DataError: The blend or the tokenizer is unusable.
    """
    datasets = with_transforms(read_blend(config.blend), config.transform, config.blend)
    tokenizer = describe_tokenizer(config.tokenizer)
    eod_id = token_id(tokenizer, _eod_token(config, tokenizer), "eod_token")
    options = {
        "stage": "pretrain",
        "tokenizer": tokenizer.digest,
        "eod_id": eod_id,
        "split": asdict(config.split),
        "seed": config.seed,
        "on_invalid": config.on_invalid,
        **backend_options(config.tokenizer_backend),
    }
    plan = make_plan(datasets, find_files(datasets, config.seed), options, config.shard_size_bytes)
    return plan, tokenizer, eod_id


def pretrain_task(
    config: PretrainPrepConfig,
    plan: Plan,
    tokenizer: TokenizerFiles,
    eod_id: int,
    backend: Backend,
) -> PretrainTask:
    """What workers need."""
    return PretrainTask(
        datasets=plan.datasets,
        files=plan.files,
        tokenizer=tokenizer.path,
        backend=backend,
        dtype=token_dtype(vocabulary_size(load_tokenizer(tokenizer.path))).str,
        eod_id=eod_id,
        split=config.split,
        seed=config.seed,
        on_invalid=config.on_invalid,
    )


def _eod_token(config: PretrainPrepConfig, tokenizer: TokenizerFiles) -> str:
    token = config.eod_token or tokenizer.special_tokens.get("eos_token")
    if token is None:
        raise DataError(
            "The tokenizer names no eos_token to end documents with.",
            where=str(tokenizer.path),
            hint="Set eod_token=… to a token of its vocabulary.",
        )
    return token


def _assemble(
    plan: Plan, folder: Path, staged: Path, shards: Path, receipts: list[dict[str, Any]]
) -> dict[str, Any]:
    splits = {split: _split_counts(split, receipts) for split in SPLITS}
    if not splits["train"]["documents"]:
        raise DataError(
            "No document fell into the training split.",
            where="split",
            hint="Give split.train a larger share.",
        )
    shards_of = list(zip(plan.shards, receipts, strict=True))
    blend = {}
    for split in SPLITS:
        filled = {
            shard.name: receipt["splits"][split]["tokens"]
            for shard, receipt in shards_of
            if receipt["splits"][split]["tokens"]
        }
        _link_split(split, plan, filled, shards, staged)
        blend[split] = _blend_entries(split, plan, filled, folder)
    write_json(staged / "blend.json", blend)
    return {"splits": splits, "tokenizer_backends": used_backends(receipts)}


def _split_counts(split: str, receipts: list[dict[str, Any]]) -> dict[str, int]:
    counts = [receipt["splits"][split] for receipt in receipts]
    return {key: sum(count[key] for count in counts) for key in ("documents", "tokens")}


def _prefix(split: str, dataset: Dataset, shard: Shard) -> Path:
    return Path("splits") / split / dataset.name / shard.name


def _link_split(split: str, plan: Plan, filled: dict[str, int], shards: Path, staged: Path) -> None:
    """Give the files of a split's shards their final names."""
    for shard in plan.shards:
        if shard.name not in filled:
            continue
        prefix = _prefix(split, plan.datasets[shard.dataset], shard)
        for suffix in (".bin", ".idx"):
            source = shards / shard.name / f"{split}{suffix}"
            link_or_copy(source, (staged / prefix).with_suffix(suffix))


def _blend_entries(
    split: str, plan: Plan, filled: dict[str, int], folder: Path
) -> list[str] | None:
    """Weights and prefixes in turn; a dataset's weight is shared by the tokens of its shards."""
    entries: list[str] = []
    for index, dataset in enumerate(plan.datasets):
        shards = [s for s in plan.shards if s.dataset == index and s.name in filled]
        tokens = sum(filled[shard.name] for shard in shards)
        for shard in shards:
            weight = dataset.weight * filled[shard.name] / tokens
            entries += [f"{weight:.12g}", str(folder / _prefix(split, dataset, shard))]
    return entries or None


def _artifact(finished: Finished, plan: Plan, tokenizer: TokenizerFiles) -> PretrainBlendsArtifact:
    report = finished.report
    return PretrainBlendsArtifact(
        path=finished.folder,
        total_tokens=report["totals"]["tokens"],
        num_documents=report["totals"]["records_out"],
        tokenizer=report.get("tokenizer", tokenizer.origin),
        vocab_size=vocabulary_size(load_tokenizer(tokenizer.path)),
        splits=report["splits"],
        source_datasets=source_datasets(plan, report),
        metadata={
            "run_id": report["run_id"],
            **tokenizer_metadata(report, tokenizer.digest),
            **record_metadata(report),
        },
    )
