"""One shard of conversations: read, render, tokenize, mask, write.

A tokenized shard holds, before any packing, so that packing can change without tokenizing:

- ``tokens.bin``: int32 ids of all sequences, one after the other;
- ``trained.bin``: uint8, 1 for every token that the assistant writes, unshifted;
- ``sequences.npy``: one :data:`SEQUENCE` entry per sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from nemotron_data_prep.accounting import Gate, Ledger
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.chat.masks import trained_mask
from nemotron_data_prep.chat.messages import Conversation, RejectedError, read_conversation
from nemotron_data_prep.chat.sequences import SequenceMaker, TrainingText, TrainingTexts
from nemotron_data_prep.chat.template import ChatTemplate, parse_day
from nemotron_data_prep.intake import Intake, intakes, receipt_entries
from nemotron_data_prep.plan import Shard
from nemotron_data_prep.sampling import content_key, copies
from nemotron_data_prep.sources.files import SourceFile
from nemotron_data_prep.sources.records import Slice
from nemotron_data_prep.tokenizer import HuggingFaceEncoder, control_tokens, load_tokenizer

SEQUENCE = np.dtype([("length", "<i4"), ("trained", "<i4"), ("file", "<i4"), ("key", "<u8")])
TOKENS, TRAINED, SEQUENCES = "tokens.bin", "trained.bin", "sequences.npy"

_CHARACTERS_PER_CALL = 1_000_000


@dataclass(frozen=True, slots=True)
class SftTask:
    """What a worker needs to tokenize a shard.

    Attributes:
        template: Source of the chat template.
        variables: Values that it reads.
        template_date: The day that it sees, ``YYYY-MM-DD``.
        policies: The ``on_…`` settings.
    """

    datasets: tuple[Dataset, ...]
    files: tuple[SourceFile, ...]
    tokenizer: Path
    template: str
    variables: dict[str, Any]
    template_date: str | None
    end_of_turn: str | None
    seed: int
    policies: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Item:
    """A conversation on its way: its sequences, and where it came from."""

    texts: list[TrainingText]
    key: int
    copies: int
    source: Intake
    file: int
    position: int


def tokenize_conversations(task: SftTask, shard: Shard, folder: Path) -> dict[str, Any]:
    """Tokenize and mask one shard.

    Args:
        task: What is the same for all shards.
        shard: What to read.
        folder: Receives the three files of a tokenized shard.

    Returns:
        Ledgers per file and examples of rejected records.
    """
    gate = Gate(task.policies)
    sources = intakes(shard.slices, task.files, task.datasets[shard.dataset], gate)
    maker = make_sequence_maker(task)
    with ExitStack() as stack:
        writer = _Writer(task, folder, stack)
        for part in shard.slices:
            for item in _items(sources[part.file], part, maker, task.seed):
                writer.add(item)
        writer.flush()
    writer.write_table(folder)
    return receipt_entries(sources, gate)


def make_sequence_maker(task: SftTask) -> SequenceMaker:
    """The renderer of a task."""
    template = ChatTemplate(task.template, task.variables, parse_day(task.template_date))
    specials = control_tokens(load_tokenizer(task.tokenizer))
    return SequenceMaker(template, specials, task.end_of_turn)


def _items(source: Intake, part: Slice, maker: SequenceMaker, seed: int) -> Iterator[_Item]:
    """Read and render a slice; whatever cannot be used is turned away."""
    dataset = source.dataset
    for record, position in source.records(part, [dataset.messages_field, dataset.tools_field]):
        try:
            conversation = read_conversation(record, dataset.messages_field, dataset.tools_field)
            content = conversation.as_bytes()
            times = _copies(content_key(content), dataset.weight, seed)
            if not times:
                source.reject("sampled_out", "", position)
                continue
            maker.refuse_special_tokens(conversation, content)
            rendered = maker.make(conversation)
            _settle(rendered, source)
        except RejectedError as error:
            source.reject(error.reason, error.detail, position)
            continue
        _note(conversation, rendered, source.ledger)
        yield _Item(rendered.texts, content_key(content), times, source, part.file, position)


def _copies(key: int, weight: float, seed: int) -> int:
    if weight == 1:
        return 1
    return int(copies(np.array([key], dtype=np.uint64), weight, seed)[0])


def _settle(rendered: TrainingTexts, source: Intake) -> None:
    """Use a conversation that its template disagrees with, or turn it away, as configured."""
    for reason, detail in rendered.mismatches:
        if not source.gate.keeps(reason):
            raise RejectedError(reason, detail)


def _note(conversation: Conversation, rendered: TrainingTexts, ledger: Ledger) -> None:
    ledger.notes.update(rendered.notes)
    ledger.notes.update({reason for reason, _ in rendered.mismatches})
    if conversation.messages[-1]["role"] != "assistant":
        ledger.notes["messages_after_the_last_answer_left_out"] += 1


class _Writer:
    """From rendered conversations to the files of a tokenized shard."""

    def __init__(
        self,
        task: SftTask,
        folder: Path,
        stack: ExitStack,
    ) -> None:
        self._encoder = HuggingFaceEncoder(task.tokenizer)
        self._tokens: IO[bytes] = stack.enter_context((folder / TOKENS).open("xb"))
        self._trained: IO[bytes] = stack.enter_context((folder / TRAINED).open("xb"))
        self._items: list[_Item] = []
        self._characters = 0
        self._table: list[tuple[int, int, int, int]] = []

    def add(self, item: _Item) -> None:
        """Take a conversation; write when enough have come together."""
        self._items.append(item)
        self._characters += sum(len(text.text) for text in item.texts)
        if self._characters >= _CHARACTERS_PER_CALL:
            self.flush()

    def flush(self) -> None:
        """Write what was taken."""
        texts = [text.text for item in self._items for text in item.texts]
        encodings = iter(self._encoder.encode_with_offsets(texts) if texts else ())
        for item in self._items:
            self._finish(item, [next(encodings) for _ in item.texts])
        self._items.clear()
        self._characters = 0

    def write_table(self, folder: Path) -> None:
        """Write the list of sequences."""
        with (folder / SEQUENCES).open("xb") as stream:
            np.save(stream, np.array(self._table, dtype=SEQUENCE))

    def _finish(self, item: _Item, encodings: list[Any]) -> None:
        ledger = item.source.ledger
        ids = [np.array(encoding.ids, dtype="<i4") for encoding in encodings]
        try:
            masks = [
                trained_mask(encoding, text, of_sequence)
                for encoding, text, of_sequence in zip(encodings, item.texts, ids, strict=True)
            ]
        except RejectedError as error:
            item.source.reject(error.reason, error.detail, item.position)
            return
        ledger.records_out += 1
        if item.copies > 1:
            ledger.notes["repeats"] += item.copies - 1
        for _ in range(item.copies):
            for tokens, mask in zip(ids, masks, strict=True):
                self._write(tokens, mask, item, ledger)

    def _write(self, tokens: Any, mask: Any, item: _Item, ledger: Ledger) -> None:
        trained = int(mask.sum())
        self._tokens.write(tokens.tobytes())
        self._trained.write(mask.tobytes())
        self._table.append((len(tokens), trained, item.file, item.key))
        ledger.sequences += 1
        ledger.tokens += len(tokens)
        ledger.trained_tokens += trained
