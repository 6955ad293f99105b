"""The fast backend: gigatoken, which gives the ids of ``tokenizers`` an order of magnitude sooner.

Texts are handed over one by one and never its files: its own readers lose documents behind a
broken line. It encodes on the calling thread, since shards run in parallel already.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nemotron_data_prep.tokenizing.tokenizer import plain_tokenizer

_MODULE = "gigatoken"


class UnusableError(Exception):
    """The backend cannot stand in for Hugging Face's; the text says why."""


class FastEncoder:
    """A :class:`~nemotron_data_prep.tokenizing.tokenizer.TextEncoder` by gigatoken.

    Args:
        path: A ``tokenizer.json``.

    Raises:
        UnusableError: It is not installed, or refuses the tokenizer.
    """

    def __init__(self, path: Path) -> None:
        if not is_installed():
            raise UnusableError("gigatoken is not installed")
        self._tokenizer = _load(path.read_bytes())

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Tokenize texts; see :class:`~nemotron_data_prep.tokenizing.tokenizer.TextEncoder`.

        Raises:
            UnusableError: It fails on one of the texts.
        """
        if not texts:
            return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
        with _failures("fails on a text"):
            rows = self._tokenizer.encode_batch(list(texts), parallel=False)
        layout = rows.layout.to_ListOffsetArray64(True)  # noqa: FBT003 - starts at zero
        offsets = np.asarray(layout.offsets.data)
        ids: NDArray[np.uint32] = np.asarray(layout.content.data)[: offsets[-1]]
        return ids.view(np.int32), np.diff(offsets).astype(np.int32)

    def token_sizes(self) -> NDArray[np.int64]:
        """Bytes that each id stands for, (vocabulary,)."""
        return _token_sizes(self._tokenizer)


class TextByTextEncoder(FastEncoder):
    """The same, with a call for every text: sooner ready, for who works on one thread.

    What comes back for many texts at once is an array of awkward, whose import takes longer than
    to load the tokenizer. But after a call for a single text Python's other threads go first.

    Args:
        path: A ``tokenizer.json``.

    Raises:
        UnusableError: It is not installed, or refuses the tokenizer.
    """

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Tokenize texts; see :class:`FastEncoder`."""
        if not texts:
            return np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32)
        with _failures("fails on a text"):
            rows: list[NDArray[np.uint32]] = [self._tokenizer.encode(text) for text in texts]
        lengths = np.fromiter(map(len, rows), dtype=np.int32, count=len(rows))
        return np.concatenate(rows).view(np.int32), lengths


def is_installed() -> bool:
    """Whether gigatoken can be imported."""
    return importlib.util.find_spec(_MODULE) is not None


def library() -> str:
    """The library and its version, as reports name it."""
    return f"{_MODULE} {version(_MODULE)}"


def refusal(path: Path) -> str | None:
    """What in a tokenizer's configuration gigatoken would pass over, or None.

    Truncation, padding and post-processing are switched off for every backend.
    """
    for token in plain_tokenizer(path.read_bytes()).whole_words:
        return f"the added token {token!r} matches whole words only (single_word)"
    return None


def offsets_refusal(path: Path) -> str | None:
    """Why the sizes of tokens do not tell where they stand in the text, or None."""
    if plain_tokenizer(path.read_bytes()).normalizes:
        return "the tokenizer normalizes text, so its tokens do not tell their places in it"
    return refusal(path)


@lru_cache(maxsize=2)
def _load(content: bytes) -> Any:
    with _failures("cannot load the tokenizer"):
        library = importlib.import_module(_MODULE)
        return library.Tokenizer.from_json(plain_tokenizer(content).content)


@lru_cache(maxsize=2)
def _token_sizes(tokenizer: Any) -> NDArray[np.int64]:
    sizes = np.zeros(tokenizer.vocab_size, dtype=np.int64)
    for token, content in tokenizer.vocab.items():
        sizes[token] = len(content)
    return sizes


@contextmanager
def _failures(doing: str) -> Iterator[None]:
    """Give whatever the library raises one type; panics of its Rust code are no Exceptions."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        first_line = str(error).partition("\n")[0]
        raise UnusableError(f"gigatoken {doing}: {first_line}") from error
