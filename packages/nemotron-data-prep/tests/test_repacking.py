"""Packing again without tokenizing again, and what is left behind."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nemotron_data_prep import PrepResult, SftPrepConfig, SplitRatios, prepare_sft

Blend = Callable[..., Path]
FilesBelow = Callable[[Path], dict[str, bytes]]

CHATS = [
    {
        "messages": [
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": f"Answer {number}: " + "word " * (number % 40)},
        ]
    }
    for number in range(60)
]
ONLY_PACKING = "nothing is tokenized, only packed: "

CHANGES: list[dict[str, Any]] = [
    {"pack_size": 128},
    {"packing": "concatenative"},
    {"packing": "first_fit_shuffle"},
    {"seed": 7},
    {"split": SplitRatios(train=0.9, valid=0.1, test=0)},
    {"on_too_long": "truncate"},
    {"format": "npy"},
]


@pytest.fixture
def base(blend: Blend, tokenizer_dir: Path, tmp_path: Path) -> SftPrepConfig:
    blend(chat=CHATS)
    return SftPrepConfig(
        blend=blend({"name": "chat", "path": "data/chat.jsonl", "weight": 1.5}),
        tokenizer=tokenizer_dir,
        output_dir=tmp_path / "out",
        split=SplitRatios(train=0.6, valid=0.2, test=0.2),
        pack_size=96,
        shard_size_bytes=2000,
        workers=1,
        retention="tokenized",
    )


def tokenized_files(folder: Path) -> dict[Path, tuple[int, int]]:
    """The inode and the time of every file of every tokenized shard."""
    files = [path for path in (folder / "tokenized").rglob("*") if path.is_file()]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_a_change_of_packing_packs_alone_and_gives_what_a_fresh_run_gives(
    change: dict[str, Any],
    base: SftPrepConfig,
    files_below: FilesBelow,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    first = prepare_sft(base)
    assert ONLY_PACKING not in caplog.text
    before = tokenized_files(base.output_dir)
    assert before
    again = prepare_sft(replace(base, **change))
    assert ONLY_PACKING in caplog.text
    assert tokenized_files(base.output_dir) == before
    assert again.path != first.path
    packed_again = files_below(again.path)
    shutil.rmtree(base.output_dir)
    caplog.clear()
    fresh = prepare_sft(replace(base, **change))
    assert ONLY_PACKING not in caplog.text
    assert fresh.path == again.path
    assert files_below(fresh.path) == packed_again
    assert fresh.report == again.report


def test_a_change_of_weight_or_of_a_forced_split_packs_alone(
    base: SftPrepConfig, blend: Blend
) -> None:
    first = prepare_sft(base)
    before = tokenized_files(base.output_dir)
    blend({"name": "chat", "path": "data/chat.jsonl", "weight": 3, "split": "train"})
    second = prepare_sft(base)
    assert tokenized_files(base.output_dir) == before
    assert second.path != first.path
    splits = second.report["splits"]
    assert splits["train"]["sequences"] == 3 * second.report["totals"]["records_out"] > 0
    assert splits["valid"]["sequences"] == splits["test"]["sequences"] == 0


@pytest.mark.parametrize("sampling", [{"fraction": 0.5}, {"rows": 20}])
def test_the_seed_of_a_drawn_sample_is_part_of_what_is_tokenized(
    sampling: dict[str, Any], base: SftPrepConfig, blend: Blend
) -> None:
    blend({"name": "chat", "path": "data/chat.jsonl", **sampling})
    first, second = prepare_sft(base), prepare_sft(replace(base, seed=1))
    assert first.report["tokenized"]["folder"] != second.report["tokenized"]["folder"]
    third = prepare_sft(replace(base, pack_size=128))
    assert third.report["tokenized"] == first.report["tokenized"]


def test_the_report_lists_the_shards_that_are_kept(base: SftPrepConfig) -> None:
    result = prepare_sft(base)
    listed = result.report["tokenized"]
    folder = base.output_dir / listed["folder"]
    shards = sorted(path.name for path in folder.iterdir())
    assert shards == [f"shard_{index:06d}" for index in range(listed["shards"])]
    assert listed["shards"] > 1
    for shard in folder.iterdir():
        assert sorted(path.name for path in shard.iterdir()) == [
            "receipt.json",
            "sequences.npy",
            "tokens.bin",
            "trained.bin",
        ]
    data = [path for path in folder.rglob("*") if path.is_file() and path.name != "receipt.json"]
    assert listed["size_bytes"] == sum(path.stat().st_size for path in data)
    assert prepare_sft(replace(base, retention="none", seed=3)).report["tokenized"] is None


def test_without_retention_kept_shards_are_used_once_more_and_removed(
    base: SftPrepConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    first = prepare_sft(base)
    second = prepare_sft(replace(base, retention="none", pack_size=128))
    assert ONLY_PACKING in caplog.text
    assert sorted(base.output_dir.iterdir()) == sorted([first.path, second.path])


def test_a_cache_hit_without_retention_removes_the_kept_shards(base: SftPrepConfig) -> None:
    first = prepare_sft(base)
    second = prepare_sft(replace(base, retention="none"))
    assert second.cache_hit
    assert list(base.output_dir.iterdir()) == [first.path]


def test_shards_of_other_data_stay_and_are_mentioned(
    base: SftPrepConfig, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    prepare_sft(base)
    before = tokenized_files(base.output_dir)
    old = 1_000_000_000
    for folder in (base.output_dir / "tokenized").iterdir():
        os.utime(folder, (old, old))
    prepare_sft(replace(base, retention="none", template_kwargs={"x": 1}))
    assert tokenized_files(base.output_dir) == before
    assert f"shards of other runs are kept in {base.output_dir / 'tokenized'}" in caplog.text


def damage_content(shard: Path) -> None:
    content = (shard / "trained.bin").read_bytes()
    (shard / "trained.bin").write_bytes(bytes([content[0] ^ 1]) + content[1:])


def damage_receipt(shard: Path) -> None:
    (shard / "receipt.json").write_text("{")


@pytest.mark.parametrize("damage", [damage_content, damage_receipt, shutil.rmtree])
def test_only_a_kept_shard_that_is_damaged_is_tokenized_again(
    damage: Callable[[Path], None], base: SftPrepConfig, files_below: FilesBelow
) -> None:
    first = prepare_sft(base)
    whole = files_below(first.path)
    before = tokenized_files(base.output_dir)
    victim = sorted((base.output_dir / first.report["tokenized"]["folder"]).iterdir())[1]
    damage(victim)
    shutil.rmtree(first.path)
    again: PrepResult = prepare_sft(base)
    assert files_below(again.path) == whole
    after = tokenized_files(base.output_dir)
    changed = {path.parent for path in before if after[path] != before[path]}
    assert changed == {victim}
    receipt = json.loads((victim / "receipt.json").read_text())
    assert set(receipt["files"]) == {"sequences.npy", "tokens.bin", "trained.bin"}
