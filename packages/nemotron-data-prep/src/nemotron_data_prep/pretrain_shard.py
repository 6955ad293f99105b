"""One shard of pretraining text: read, tokenize, split, write."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nemotron_data_prep.accounting import Gate, Ledger
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.config import SPLITS, SplitRatios
from nemotron_data_prep.intake import Intake, intakes, receipt_entries
from nemotron_data_prep.output.megatron import IndexedDatasetWriter
from nemotron_data_prep.plan import Shard
from nemotron_data_prep.sampling import assign_splits, content_key
from nemotron_data_prep.sources.files import SourceFile
from nemotron_data_prep.sources.records import Batch
from nemotron_data_prep.tokenizing.backend import Backend

_CHARACTERS_PER_CALL = 4_000_000


@dataclass(frozen=True, slots=True)
class PretrainTask:
    """What a worker needs to tokenize a shard.

    Attributes:
        backend: The library that does it.
        dtype: The type that ids are written in, ``<u2`` or ``<i4``.
    """

    datasets: tuple[Dataset, ...]
    files: tuple[SourceFile, ...]
    tokenizer: Path
    backend: Backend
    dtype: str
    eod_id: int
    split: SplitRatios
    seed: int
    on_invalid: str


def tokenize_shard(task: PretrainTask, shard: Shard, folder: Path) -> dict[str, Any]:
    """Tokenize one shard into a ``.bin/.idx`` pair per split.

    Args:
        task: What is the same for all shards.
        shard: What to read.
        folder: Receives ``<split>.bin`` and ``<split>.idx``.

    Returns:
        Ledgers per file, the backend, and documents and tokens per split.
    """
    dataset = task.datasets[shard.dataset]
    gate = Gate({"on_invalid": task.on_invalid})
    sources = intakes(shard.slices, task.files, dataset, gate)
    with ExitStack() as stack:
        writer = _ShardWriter(task, dataset, folder, stack)
        for part in shard.slices:
            source = sources[part.file]
            for batch in source.batches(part, [dataset.text_field]):
                writer.add(_usable_texts(source, batch), source.ledger)
        writer.flush()
    return {
        **receipt_entries(sources, gate),
        "tokenizer_backend": task.backend.as_json(),
        "splits": writer.counts(),
    }


class _ShardWriter:
    """Collects texts, tokenizes them in large batches, and writes them to their splits."""

    def __init__(
        self, task: PretrainTask, dataset: Dataset, folder: Path, stack: ExitStack
    ) -> None:
        self._task = task
        self._forced = dataset.split
        self._encoder = task.backend.encoder(task.tokenizer)
        dtype = np.dtype(task.dtype)
        self._outputs = [
            stack.enter_context(IndexedDatasetWriter(folder / split, dtype)) for split in SPLITS
        ]
        self._texts: list[str] = []
        self._owners: list[tuple[Ledger, int]] = []
        self._characters = 0
        self._documents = [0] * len(SPLITS)
        self._tokens = [0] * len(SPLITS)

    def add(self, texts: list[str], ledger: Ledger) -> None:
        """Take texts of one file; write when enough have come together."""
        if not texts:
            return
        self._texts += texts
        self._owners.append((ledger, len(texts)))
        self._characters += sum(map(len, texts))
        if self._characters >= _CHARACTERS_PER_CALL:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        if not self._texts:
            return
        eod_id = self._task.eod_id
        ids, text_lengths = self._encoder.encode(self._texts)
        tokens, lengths = append_end(ids, text_lengths, eod_id)
        keys = np.array([content_key(text.encode()) for text in self._texts], dtype=np.uint64)
        splits = assign_splits(keys, self._task.split, self._task.seed, self._forced)
        self._write(tokens, lengths, splits)
        self._account(np.flatnonzero(ids == eod_id), lengths)
        self._texts.clear()
        self._owners.clear()
        self._characters = 0

    def _account(self, injected: NDArray[np.int64], lengths: NDArray[np.int32]) -> None:
        """Count documents, tokens, and end-of-document tokens that the texts brought along.

        Args:
            injected: Where these stand among the ids of the texts.
            lengths: Tokens of each document with its end, (documents,).
        """
        first = 0
        tokens_before = 0
        for ledger, documents in self._owners:
            tokens = int(lengths[first : first + documents].sum(dtype=np.int64))
            bounds = [tokens_before, tokens_before + tokens - documents]
            extra = int(np.diff(np.searchsorted(injected, bounds))[0])
            ledger.sequences += documents
            ledger.tokens += tokens
            if extra:
                ledger.notes["end_of_document_token_in_text"] += extra
            first += documents
            tokens_before = bounds[1]

    def counts(self) -> dict[str, dict[str, int]]:
        """Documents and tokens of every split."""
        return {
            split: {"documents": self._documents[index], "tokens": self._tokens[index]}
            for index, split in enumerate(SPLITS)
        }

    def _write(
        self, tokens: NDArray[np.int32], lengths: NDArray[np.int32], splits: NDArray[np.int8]
    ) -> None:
        of_token = np.repeat(splits, lengths)
        for index, output in enumerate(self._outputs):
            chosen = splits == index
            written = tokens if chosen.all() else tokens[of_token == index]
            output.write(written, lengths[chosen])
            self._documents[index] += int(np.count_nonzero(chosen))
            self._tokens[index] += len(written)


def append_end(
    ids: NDArray[np.int32], lengths: NDArray[np.int32], eod_id: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """End every document with the end-of-document token.

    Args:
        ids: The ids of all documents, (tokens,).
        lengths: Tokens of each document, (documents,).
        eod_id: The token to append.

    Returns:
        Ids, (tokens + documents,), and lengths, (documents,).
    """
    longer = lengths + 1
    ends = np.cumsum(longer, dtype=np.int64) - 1
    tokens = np.empty(len(ids) + len(lengths), dtype=np.int32)
    content = np.ones(len(tokens), dtype=bool)
    content[ends] = False
    tokens[content] = ids
    tokens[ends] = eod_id
    return tokens, longer


def sample_texts(dataset: Dataset, record: dict[str, Any]) -> list[str]:
    """The text of a record that is tokenized, for the comparison of backends."""
    text = record.get(dataset.text_field)
    return [text] if isinstance(text, str) else []


def _usable_texts(source: Intake, batch: Batch) -> list[str]:
    """The texts of a batch; records without one are turned away."""
    field = source.dataset.text_field
    texts: list[str] = []
    for record, position in zip(batch.values, batch.positions, strict=True):
        text = record.get(field)
        if not isinstance(text, str):
            detail = f"{field!r} is {type(text).__name__}, not text"
            source.reject("missing_text", detail, position)
        elif not text or text.isspace():
            source.reject("empty", "", position)
        else:
            texts.append(text)
    source.ledger.records_out += len(texts)
    return texts
