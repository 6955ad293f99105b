"""From training texts to ids and loss masks, with either tokenizer backend.

Where the tokens of a text are its bytes, cut into pieces, their places follow from the sizes of
the pieces. A text whose pieces do not add up to it, or whose spans do not begin and end between
two of them, is left to Hugging Face's library, which tells what characters each token stands
for, and so what is wrong. It masks everything where the tokenizer is of another kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from nemotron_data_prep.chat.masks import trained_mask
from nemotron_data_prep.chat.messages import RejectedError
from nemotron_data_prep.chat.sequences import TrainingText
from nemotron_data_prep.tokenizing.backend import Backend
from nemotron_data_prep.tokenizing.byte_level import ByteLevelEncoder, piece_sizes
from nemotron_data_prep.tokenizing.gigatoken import TextByTextEncoder
from nemotron_data_prep.tokenizing.tokenizer import HuggingFaceEncoder, TextEncoder

DtypeT = TypeVar("DtypeT", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Masked:
    """Tokenized sequences, one after the other.

    Attributes:
        ids: (tokens,) int32.
        trained: 1 for every token that the assistant writes, (tokens,) uint8.
        lengths: Tokens of each text, (texts,); 0 where it is rejected.
        rejected: Why the mask of a text cannot be right, by its index.
    """

    ids: NDArray[np.int32]
    trained: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    rejected: Mapping[int, RejectedError] = field(default_factory=dict)

    def bounds(self) -> NDArray[np.int64]:
        """Where each text begins among the tokens, and the end, (texts + 1,)."""
        return _cumulated(self.lengths)

    def split(self) -> list[tuple[NDArray[np.int32], NDArray[np.uint8]]]:
        """Ids and mask of each text."""
        cuts = self.bounds()[1:-1]
        return list(zip(np.split(self.ids, cuts), np.split(self.trained, cuts), strict=True))


class Masker(Protocol):
    """Tokenizes training texts and marks what is trained."""

    def mask(self, texts: Sequence[TrainingText]) -> Masked:
        """Tokenize texts."""
        ...


def make_masker(backend: Backend, tokenizer: Path) -> Masker:
    """Load a tokenizer for masking."""
    if backend.name == "fast":
        encoder = TextByTextEncoder(tokenizer)
        return PieceMasker(tokenizer, encoder, encoder.token_sizes())
    sizes = piece_sizes(tokenizer)
    if sizes is None:
        return OffsetMasker(tokenizer)
    return PieceMasker(tokenizer, ByteLevelEncoder(tokenizer), sizes)


class OffsetMasker:
    """Masks by the offsets that ``tokenizers`` gives.

    Args:
        tokenizer: A ``tokenizer.json``.
    """

    def __init__(self, tokenizer: Path) -> None:
        self._encoder = HuggingFaceEncoder(tokenizer)

    def mask(self, texts: Sequence[TrainingText]) -> Masked:
        """Tokenize texts; see :class:`Masker`."""
        encodings = self._encoder.encode_with_offsets([text.text for text in texts])
        ids: list[NDArray[np.int32]] = []
        masks: list[NDArray[np.uint8]] = []
        lengths = np.zeros(len(texts), dtype=np.int64)
        rejected = {}
        for index, (text, encoding) in enumerate(zip(texts, encodings, strict=True)):
            found = np.array(encoding.ids, dtype=np.int32)
            try:
                masks.append(trained_mask(encoding, text, found))
            except RejectedError as error:
                rejected[index] = error
                continue
            ids.append(found)
            lengths[index] = len(found)
        return Masked(_joined(ids, np.int32), _joined(masks, np.uint8), lengths, rejected)


class PieceMasker:
    """Masks by the sizes of tokens in bytes.

    Args:
        tokenizer: The ``tokenizer.json``, for texts that are in doubt.
        encoder: Tokenizes.
        sizes: Bytes that each id stands for, (vocabulary,).
    """

    def __init__(self, tokenizer: Path, encoder: TextEncoder, sizes: NDArray[np.integer]) -> None:
        self._in_doubt = partial(OffsetMasker, tokenizer)
        self._encoder = encoder
        self._sizes = sizes

    def mask(self, texts: Sequence[TrainingText]) -> Masked:
        """Tokenize texts; see :class:`Masker`."""
        ids, lengths = self._encoder.encode([text.text for text in texts])
        if not texts:
            return Masked(ids, np.empty(0, dtype=np.uint8), lengths.astype(np.int64))
        batch = _Pieces(ids, lengths.astype(np.int64), self._sizes[ids])
        trained, sure = batch.mask(_Spans.of(texts))
        found = Masked(ids, trained, batch.lengths)
        return found if sure.all() else self._settled(found, texts, np.flatnonzero(~sure).tolist())

    def _settled(self, found: Masked, texts: Sequence[TrainingText], unsure: list[int]) -> Masked:
        settled = self._in_doubt().mask([texts[index] for index in unsure])
        parts = found.split()
        lengths = found.lengths.copy()
        rejected = {}
        for at, (index, part) in enumerate(zip(unsure, settled.split(), strict=True)):
            parts[index] = part
            lengths[index] = settled.lengths[at]
            if at in settled.rejected:
                rejected[index] = settled.rejected[at]
        ids = _joined([part[0] for part in parts], np.int32)
        return Masked(ids, _joined([part[1] for part in parts], np.uint8), lengths, rejected)


@dataclass(frozen=True, slots=True)
class _Spans:
    """The spans of some texts in bytes, as if the texts stood one after the other.

    Attributes:
        bounds: Where each text starts, and the end, (texts + 1,).
        starts: Where each span starts, (spans,).
        stops: Where it stops, (spans,).
        text: The text that it belongs to, (spans,).
    """

    bounds: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    text: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[TrainingText]) -> _Spans:
        edges: list[int] = []
        owners: list[int] = []
        bounds = [0]
        for index, text in enumerate(texts):
            edges += [bounds[-1] + edge for span in text.spans for edge in span]
            owners += [index] * len(text.spans)
            bounds.append(bounds[-1] + len(text.text))
        in_bytes = _byte_offsets([text.text for text in texts], np.array([*bounds, *edges]))
        pairs = in_bytes[len(bounds) :].reshape(-1, 2)
        of_text = np.array(owners, dtype=np.int64)
        return cls(in_bytes[: len(bounds)], pairs[:, 0], pairs[:, 1], of_text)


def _byte_offsets(texts: Sequence[str], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where characters begin in bytes, counted from the first of several texts."""
    content = np.frombuffer(b"".join([text.encode() for text in texts]), dtype=np.uint8)
    # Bytes that go on with a character, by the number of characters that have begun before.
    later = np.flatnonzero((content & 0xC0) == 0x80)  # noqa: PLR2004 - as UTF-8 has it
    later -= np.arange(len(later))
    return offsets + np.searchsorted(later, offsets, side="right")


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The tokens of some texts, one after the other.

    Attributes:
        ids: (tokens,).
        lengths: Tokens of each text, (texts,).
        sizes: Bytes of each token, (tokens,).
    """

    ids: NDArray[np.int32]
    lengths: NDArray[np.int64]
    sizes: NDArray[np.integer]

    def mask(self, spans: _Spans) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Mark the tokens in spans.

        Returns:
            The mask, (tokens,), and whether it is beyond doubt for each text, (texts,).
        """
        trained = np.zeros(len(self.ids), dtype=np.uint8)
        cuts = _cumulated(self.sizes)
        text_cuts = _cumulated(self.lengths)
        whole = self.sizes.all() and self.lengths.all()
        if not whole or not np.array_equal(cuts[text_cuts], spans.bounds):
            return trained, np.zeros(len(self.lengths), dtype=np.bool_)
        first, stop = np.searchsorted(cuts, spans.starts), np.searchsorted(cuts, spans.stops)
        aligned = (cuts[first] == spans.starts) & (cuts[stop] == spans.stops) & (first < stop)
        for start, end in zip(first.tolist(), stop.tolist(), strict=True):
            trained[start:end] = 1
        counts = np.add.reduceat(trained, text_cuts[:-1], dtype=np.int64)
        # Nothing predicts the first token of a sequence.
        sure = (counts > trained[text_cuts[:-1]]) & (counts < self.lengths)
        trained[text_cuts[:-1]] = 0
        sure[spans.text[~aligned]] = False
        return trained, sure


def _cumulated(sizes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Where each of some pieces begins, and the end, (pieces + 1,)."""
    found = np.zeros(len(sizes) + 1, dtype=np.int64)
    np.cumsum(sizes, out=found[1:])
    return found


def _joined(parts: Sequence[NDArray[DtypeT]], dtype: type[DtypeT]) -> NDArray[DtypeT]:
    return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)
