"""From training texts to ids and loss masks, with either tokenizer backend.

Hugging Face's library tells which characters each token stands for. The fast one does not, but
where it is used the tokens of a text are its bytes, cut into pieces: the offsets follow from the
sizes of the pieces. A text whose pieces do not add up to it, or whose spans do not begin and end
between two of them, is left to the other library, which settles what that means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nemotron_data_prep.chat.masks import trained_mask
from nemotron_data_prep.chat.messages import RejectedError
from nemotron_data_prep.chat.sequences import TrainingText
from nemotron_data_prep.tokenizer import HuggingFaceEncoder
from nemotron_data_prep.tokenizing.backend import Backend
from nemotron_data_prep.tokenizing.gigatoken import FastEncoder


@dataclass(frozen=True, slots=True)
class Masked:
    """A tokenized sequence.

    Attributes:
        ids: (tokens,) int32.
        trained: 1 for every token that the assistant writes, (tokens,) uint8.
    """

    ids: NDArray[np.int32]
    trained: NDArray[np.uint8]


class Masker(Protocol):
    """Tokenizes training texts and marks what is trained."""

    def mask(self, texts: Sequence[TrainingText]) -> list[Masked | RejectedError]:
        """Tokenize texts.

        Returns:
            For each text its ids and mask, or why the mask cannot be right.
        """
        ...


def make_masker(backend: Backend, tokenizer: Path) -> Masker:
    """Load a tokenizer for masking."""
    return FastMasker(tokenizer) if backend.name == "fast" else HuggingFaceMasker(tokenizer)


class HuggingFaceMasker:
    """Masks by the offsets that ``tokenizers`` gives.

    Args:
        tokenizer: A ``tokenizer.json``.
    """

    def __init__(self, tokenizer: Path) -> None:
        self._encoder = HuggingFaceEncoder(tokenizer)

    def mask(self, texts: Sequence[TrainingText]) -> list[Masked | RejectedError]:
        """Tokenize texts; see :class:`Masker`."""
        encodings = self._encoder.encode_with_offsets([text.text for text in texts])
        found: list[Masked | RejectedError] = []
        for text, encoding in zip(texts, encodings, strict=True):
            ids = np.array(encoding.ids, dtype=np.int32)
            try:
                found.append(Masked(ids, trained_mask(encoding, text, ids)))
            except RejectedError as error:
                found.append(error)
        return found


class FastMasker:
    """Masks by the sizes of tokens in bytes.

    Args:
        tokenizer: A ``tokenizer.json`` without normalizer.
    """

    def __init__(self, tokenizer: Path) -> None:
        self._path = tokenizer
        self._encoder = FastEncoder(tokenizer)
        self._sizes = self._encoder.token_sizes()

    def mask(self, texts: Sequence[TrainingText]) -> list[Masked | RejectedError]:
        """Tokenize texts; see :class:`Masker`."""
        if not texts:
            return []
        ids, lengths = self._encoder.encode([text.text for text in texts])
        batch = _Pieces(ids, lengths, self._sizes[ids])
        spans = _Spans.of(texts)
        trained, sure = batch.mask(spans)
        ends = np.cumsum(lengths, dtype=np.int64)
        pairs = zip(np.split(ids, ends[:-1]), np.split(trained, ends[:-1]), strict=True)
        found: list[Masked | RejectedError] = [Masked(*pair) for pair in pairs]
        unsure = np.flatnonzero(~sure).tolist()
        if unsure:
            settled = HuggingFaceMasker(self._path).mask([texts[index] for index in unsure])
            for index, one in zip(unsure, settled, strict=True):
                found[index] = one
        return found


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
        bounds = [0]
        edges: list[int] = []
        owners: list[int] = []
        for index, text in enumerate(texts):
            inside, size = _in_bytes(text)
            edges += [bounds[-1] + edge for edge in inside]
            owners += [index] * len(text.spans)
            bounds.append(bounds[-1] + size)
        pairs = np.array(edges, dtype=np.int64).reshape(-1, 2)
        of_text = np.array(owners, dtype=np.int64)
        return cls(np.array(bounds, dtype=np.int64), pairs[:, 0], pairs[:, 1], of_text)


def _in_bytes(text: TrainingText) -> tuple[list[int], int]:
    """The edges of a text's spans, start and stop in turn, and its size, in bytes."""
    edges = [edge for span in text.spans for edge in span]
    if text.text.isascii():
        return edges, len(text.text)
    found: list[int] = []
    position = size = 0
    for edge in edges:
        size += len(text.text[position:edge].encode())
        position = edge
        found.append(size)
    return found, size + len(text.text[position:].encode())


@dataclass(frozen=True, slots=True)
class _Pieces:
    """The tokens of some texts, one after the other.

    Attributes:
        ids: (tokens,).
        lengths: Tokens of each text, (texts,).
        sizes: Bytes of each token, (tokens,).
    """

    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]
    sizes: NDArray[np.int64]

    def mask(self, spans: _Spans) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        """Mark the tokens in spans.

        Returns:
            The mask, (tokens,), and whether it is beyond doubt for each text, (texts,).
        """
        cuts = np.concatenate([[0], np.cumsum(self.sizes)])
        text_cuts = np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])
        whole = self.sizes.all() and self.lengths.all()
        if not whole or not np.array_equal(cuts[text_cuts], spans.bounds):
            return self._none()
        first, stop = np.searchsorted(cuts, spans.starts), np.searchsorted(cuts, spans.stops)
        aligned = (cuts[first] == spans.starts) & (cuts[stop] == spans.stops) & (first < stop)
        steps = np.zeros(len(cuts), dtype=np.int8)
        np.add.at(steps, first, 1)
        np.add.at(steps, stop, -1)
        trained = np.cumsum(steps[:-1], dtype=np.int8).astype(np.uint8)
        counts = np.diff(np.concatenate([[0], np.cumsum(trained, dtype=np.int64)])[text_cuts])
        sure = (counts > 0) & (counts < self.lengths)
        sure[spans.text[~aligned]] = False
        # Nothing predicts the first token of a sequence.
        trained[text_cuts[:-1]] = 0
        return trained, sure

    def _none(self) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
        return np.zeros(len(self.ids), dtype=np.uint8), np.zeros(len(self.lengths), dtype=np.bool_)
