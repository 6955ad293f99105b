"""Packed conversations, read and collated by the dataset class that Megatron-Bridge ships.

Importing ``megatron.bridge`` itself needs a GPU library, so an empty package with the right path
stands in for its ``__init__``, and empty modules for two imports that the packed dataset never
touches; the class that reads packs and applies the loss mask runs as it is.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from itertools import pairwise
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer

from nemotron_data_prep import SftPrepConfig, SplitRatios, prepare_sft

SAMPLE = Path(__file__).parents[2] / "recipes" / "sample"
PACK_SIZE = 512

CONVERSATIONS = [
    {
        "messages": [
            {"role": "user", "content": "1+1?"},
            {"role": "assistant", "content": "2", "reasoning_content": "Count."},
            {"role": "user", "content": "And 2+2?"},
            {"role": "assistant", "content": "4", "reasoning_content": "Twice that."},
        ]
    },
    {
        "messages": [
            {"role": "user", "content": "Hello?"},
            {"role": "assistant", "content": "Hello."},
            {"role": "user", "content": "Bye."},
            {"role": "assistant", "content": "Goodbye."},
        ]
    },
    {
        "messages": [
            {"role": "user", "content": "I have a sum."},
            {"role": "user", "content": "2 and 3?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "add", "arguments": '{"a": 2}'}}],
            },
            {"role": "tool", "content": "5"},
            {"role": "assistant", "content": "Five."},
        ]
    },
]
# Written by hand: every answer, as the labels that the loss sees.
LEARNT = [
    "Count.\n</think>\n2<|im_end|>",
    "Twice that.\n</think>\n4<|im_end|>",
    "Hello.<|im_end|>",
    "Goodbye.<|im_end|>",
    "<tool_call>\n<function=add>\n<parameter=a>\n2\n</parameter>\n</function>\n</tool_call><|im_end|>",
    "Five.<|im_end|>",
]


@pytest.fixture
def packed_dataset(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    found = PathFinder.find_spec("megatron", sys.path)
    assert found is not None
    folders = list(found.submodule_search_locations or ())
    spec = PathFinder.find_spec("megatron.bridge", folders)
    assert spec is not None
    package = ModuleType("megatron.bridge")
    package.__path__ = list(spec.submodule_search_locations or ())
    monkeypatch.setitem(sys.modules, "megatron.bridge", package)
    untouched = {
        "datasets": MagicMock(),
        "megatron.bridge.training.tokenizers.tokenizer": SimpleNamespace(MegatronTokenizer=None),
    }
    for name, module in untouched.items():
        monkeypatch.setitem(sys.modules, name, module)
    yield importlib.import_module("megatron.bridge.data.datasets.sft").GPTSFTPackedDataset
    for name in [name for name in sys.modules if name.startswith("megatron.bridge.")]:
        del sys.modules[name]


def prepare(folder: Path, pack_format: Any) -> Path:
    lines = [json.dumps(record) + "\n" for record in CONVERSATIONS]
    (folder / "chat.jsonl").write_text("".join(lines))
    (folder / "blend.json").write_text('{"datasets": [{"name": "chat", "path": "chat.jsonl"}]}')
    config = SftPrepConfig(
        blend=folder / "blend.json",
        tokenizer=SAMPLE / "tokenizer",
        output_dir=folder / "out",
        pack_size=PACK_SIZE,
        format=pack_format,
        split=SplitRatios(train=1.0, valid=0.0, test=0.0),
    )
    return Path(prepare_sft(config).artifact.training_path or "")


def assert_labels_follow(
    ids: list[int], boundaries: list[int], tokens: list[int], labels: list[int]
) -> None:
    """What the shift of the mask rests on: the label of a position is the next token."""
    at = 0
    for start, end in pairwise(boundaries):
        length = end - start - 1
        assert tokens[at : at + length] == ids[start : end - 1]
        assert labels[at : at + length] == ids[start + 1 : end]
        at += length


def test_the_loss_sees_every_answer_and_nothing_else(packed_dataset: Any, tmp_path: Path) -> None:
    tokenizer = Tokenizer.from_file(str(SAMPLE / "tokenizer" / "tokenizer.json"))
    end_of_turn = tokenizer.token_to_id("<|im_end|>")
    path = prepare(tmp_path, "npy")
    dataset = packed_dataset(
        file_path=str(path),
        tokenizer=SimpleNamespace(eos_id=end_of_turn),
        return_cu_seqlen=False,
        max_seq_length=PACK_SIZE,
        prompt_template="{input} {answer}",
        truncation_field="input",
    )
    (item,) = [dataset[index] for index in range(len(dataset))]
    batch = dataset.collate_fn([item])
    tokens = batch["tokens"][0].tolist()
    labels = batch["labels"][0].tolist()
    marks = batch["loss_mask"][0].tolist()
    assert len(item["seq_boundaries"]) == 5
    assert_labels_follow(item["input_ids"], item["seq_boundaries"], tokens, labels)
    answers, run = [], []
    for label, mark in zip(labels, marks, strict=True):
        if mark:
            run.append(label)
        if mark and label == end_of_turn:
            answers.append(tokenizer.decode(run, skip_special_tokens=False))
            run = []
    assert run == []
    assert sorted(answers) == sorted(LEARNT)


def test_parquet_holds_the_rows_that_the_reader_takes(tmp_path: Path) -> None:
    for name in ("npy", "parquet"):
        (tmp_path / name).mkdir()
    rows = list(np.load(prepare(tmp_path / "npy", "npy"), allow_pickle=True))
    assert pq.read_table(prepare(tmp_path / "parquet", "parquet")).to_pylist() == rows
