"""What a preparation of conversations reads and is called, before anything is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.blend_file import read_blend
from nemotron_data_prep.chat.template_choice import template_digest, template_source, tool_template
from nemotron_data_prep.config import SftPrepConfig
from nemotron_data_prep.plan import Plan, hash_id, make_plan
from nemotron_data_prep.runs import WORK
from nemotron_data_prep.sft.task import SftTask, make_sequence_maker
from nemotron_data_prep.sources.files import find_files
from nemotron_data_prep.sources.source_file import SourceFile
from nemotron_data_prep.tokenizing.backend import backend_options, hugging_face
from nemotron_data_prep.tokenizing.tokenizer import (
    TokenizerFiles,
    control_tokens,
    describe_tokenizer,
    load_tokenizer,
    token_id,
)
from nemotron_data_prep.transforms.spec import with_transforms

_POLICIES = ("on_invalid", "on_bad_mask", "on_template_mismatch", "on_special_tokens")
TOKENIZED = "tokenized"


@dataclass(frozen=True, slots=True)
class SftJob:
    """What a preparation reads and is called, before anything is done.

    Attributes:
        config: The configuration.
        plan: The shard plan; its id names the tokenized shards.
        task: What workers need, with the backend still to be chosen.
        tokenizer: The tokenizer's files.
        run_id: Names the output.
    """

    config: SftPrepConfig
    plan: Plan
    task: SftTask
    tokenizer: TokenizerFiles
    run_id: str

    @property
    def folder(self) -> Path:
        """Where the output appears."""
        return self.config.output_dir.absolute() / self.run_id

    @property
    def shards(self) -> Path:
        """Where the tokenized shards are, or will be."""
        return self.config.output_dir.absolute() / self.shards_folder / self.plan.id

    @property
    def shards_folder(self) -> str:
        """Where tokenized shards are, or will be, relative to the output folder.

        Shards that an earlier run kept are used in any case.
        """
        kept = self.config.output_dir.absolute() / TOKENIZED / self.plan.id
        return TOKENIZED if self.config.retention == "tokenized" or kept.is_dir() else WORK


def sft_job(config: SftPrepConfig) -> SftJob:
    """Read the blend, the tokenizer and the template, and plan; nothing is written.

    Raises:
        DataError: The blend or the tokenizer is unusable.
        ConfigError: The chat template is unusable.
    """
    datasets = with_transforms(read_blend(config.blend), config.transform, config.blend)
    tokenizer = describe_tokenizer(config.tokenizer)
    source = template_source(config.chat_template, tokenizer.chat_templates, tokenizer.path)
    files = find_files(datasets, config.seed)
    task = _task(config, datasets, files, tokenizer, source)
    make_sequence_maker(task)
    if config.end_of_turn is not None:
        token_id(tokenizer, config.end_of_turn, "end_of_turn")
    options = {
        **_tokenizing_options(task, tokenizer),
        **backend_options(config.tokenizer_backend),
    }
    # Weights, splits and the seed matter to packing alone.
    unweighted = [replace(dataset, weight=1.0, split=None) for dataset in datasets]
    plan = make_plan(unweighted, files, options, config.shard_size_bytes)
    plan = replace(plan, datasets=datasets)
    run_id = hash_id({"tokenized": plan.id, **_packing_options(config, datasets)})
    return SftJob(config, plan, task, tokenizer, run_id)


def _task(
    config: SftPrepConfig,
    datasets: tuple[Dataset, ...],
    files: tuple[SourceFile, ...],
    tokenizer: TokenizerFiles,
    source: str,
) -> SftTask:
    return SftTask(
        datasets=datasets,
        files=files,
        tokenizer=tokenizer.path,
        template=source,
        tool_template=tool_template(config.chat_template, tokenizer.chat_templates),
        variables={**tokenizer.special_tokens, **config.template_kwargs},
        template_date=config.template_date,
        end_of_turn=config.end_of_turn,
        policies={key: getattr(config, key) for key in _POLICIES},
        special_tokens=control_tokens(load_tokenizer(tokenizer.path)),
        backend=hugging_face(),
        chat_renderer=config.chat_renderer,
    )


def _tokenizing_options(task: SftTask, tokenizer: TokenizerFiles) -> dict[str, Any]:
    return {
        "stage": "sft",
        "tokenizer": tokenizer.digest,
        "template": template_digest(task.template, task.tool_template),
        "variables": task.variables,
        "template_date": task.template_date,
        "end_of_turn": task.end_of_turn,
        "policies": task.policies,
    }


def _packing_options(config: SftPrepConfig, datasets: Sequence[Dataset]) -> dict[str, Any]:
    return {
        "datasets": [[dataset.weight, dataset.split] for dataset in datasets],
        "split": asdict(config.split),
        "seed": config.seed,
        "pack_size": config.pack_size,
        "packing": config.packing,
        "format": config.format,
        "on_too_long": config.on_too_long,
    }
