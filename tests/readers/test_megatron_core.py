"""What data preparation writes, read by Megatron's own code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from megatron.core.datasets.indexed_dataset import IndexedDataset
from megatron.core.datasets.utils import get_blend_from_list
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from nemotron_data_prep import PrepResult, PretrainPrepConfig, SplitRatios, prepare_pretrain

EOD = "<|endoftext|>"
SAMPLE = Path(__file__).parents[2] / "recipes" / "sample"
SPLIT = SplitRatios(train=0.8, valid=0.1, test=0.1)


def read_all(entries: list[str]) -> list[list[int]]:
    prefixes, weights = get_blend_from_list(entries)
    assert weights is not None
    assert sum(weights) == pytest.approx(1.0)
    return [document.tolist() for prefix in prefixes for document in IndexedDataset(prefix)]


@pytest.fixture
def sample(tmp_path: Path) -> PrepResult:
    return prepare_pretrain(
        PretrainPrepConfig(
            blend=SAMPLE / "blends" / "pretrain.json",
            tokenizer=SAMPLE / "tokenizer",
            output_dir=tmp_path / "out",
            eod_token=EOD,
            split=SPLIT,
            shard_size_bytes=100_000,
        )
    )


def test_megatron_reads_the_sample_as_it_was_tokenized(sample: PrepResult) -> None:
    blend = json.loads((sample.path / "blend.json").read_text(encoding="utf-8"))
    tokenizer = Tokenizer.from_file(str(SAMPLE / "tokenizer" / "tokenizer.json"))
    eod = tokenizer.token_to_id(EOD)
    documents = {split: read_all(entries) for split, entries in blend.items()}
    assert set(documents) == {"train", "valid", "test"}
    for split, counts in sample.report["splits"].items():
        assert len(documents[split]) == counts["documents"] > 0
        assert sum(map(len, documents[split])) == counts["tokens"]
    everything = [document for split in documents.values() for document in split]
    assert all(document.count(eod) == 1 and document[-1] == eod for document in everything)
    paragraphs = (SAMPLE / "pretrain" / "speckled-band.txt").read_text(encoding="utf-8")
    expected = {tuple(tokenizer.encode(text).ids) for text in paragraphs.strip().split("\n\n")}
    assert expected <= {tuple(document[:-1]) for document in everything}


def test_a_small_vocabulary_is_stored_in_two_bytes(sample: PrepResult) -> None:
    blend = json.loads((sample.path / "blend.json").read_text(encoding="utf-8"))
    dataset = IndexedDataset(blend["train"][1])
    assert dataset.index.dtype == np.uint16


def test_a_large_vocabulary_is_stored_in_four_bytes(tmp_path: Path) -> None:
    words = [f"w{number}" for number in range(65_600)]
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))  # noqa: S106 - no password
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    trainer = trainers.WordLevelTrainer(
        vocab_size=70_000, special_tokens=["<unk>", EOD], show_progress=False
    )
    tokenizer.train_from_iterator(words, trainer)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    size = tokenizer.get_vocab_size()
    last = [tokenizer.id_to_token(token) for token in range(size - 20, size)]
    (tmp_path / "data.jsonl").write_text(json.dumps({"text": " ".join(last)}) + "\n")
    entry = {"name": "words", "path": "data.jsonl", "split": "train"}
    (tmp_path / "blend.json").write_text(json.dumps({"datasets": [entry]}))
    config = PretrainPrepConfig(
        blend=tmp_path / "blend.json",
        tokenizer=tmp_path,
        output_dir=tmp_path / "out",
        eod_token=EOD,
    )
    blend = json.loads((prepare_pretrain(config).path / "blend.json").read_text())
    dataset = IndexedDataset(blend["train"][1])
    assert dataset.index.dtype == np.int32
    ids = dataset[0].tolist()
    assert ids == [*range(size - 20, size), tokenizer.token_to_id(EOD)]
    assert size > 65_536
