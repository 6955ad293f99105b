"""Choose the tokenizer backend: the fast one where it proves itself on this data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nemo_runspec.errors import ConfigError
from nemotron_data_prep.config import TokenizerBackend
from nemotron_data_prep.tokenizing import gigatoken
from nemotron_data_prep.tokenizing.gigatoken import FastEncoder, UnusableError
from nemotron_data_prep.tokenizing.parity import Specimen, distinct, first_difference
from nemotron_data_prep.tokenizing.probes import probes
from nemotron_data_prep.tokenizing.tokenizer import HuggingFaceEncoder, TextEncoder, load_tokenizer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backend:
    """A tokenizer backend that was chosen.

    Attributes:
        name: ``fast`` or ``hf``.
        library: The library and its version.
        compared: Texts on which the fast backend gave the ids of Hugging Face's.
        reason: Why it is not the fast one, where that was allowed.
    """

    name: Literal["fast", "hf"]
    library: str
    compared: int = 0
    reason: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The choice as reports and receipts tell it."""
        return {
            "name": self.name,
            "library": self.library,
            "compared": self.compared,
            "reason": self.reason,
        }

    def encoder(self, path: Path) -> TextEncoder:
        """Load a tokenizer with this backend."""
        return FastEncoder(path) if self.name == "fast" else HuggingFaceEncoder(path)


def choose_backend(
    setting: TokenizerBackend,
    path: Path,
    sample: Callable[[], Iterable[Specimen]],
    refusal: Callable[[Path], str | None] = gigatoken.refusal,
    encoder: Callable[[Path], FastEncoder] = FastEncoder,
) -> Backend:
    """Choose the backend of a run.

    Args:
        setting: ``auto`` takes the fast one where it is installed and proves itself, ``fast``
            insists on it, ``hf`` goes without.
        path: The ``tokenizer.json``.
        sample: Draws the sample of the data; called where the fast backend comes into question.
        refusal: Says what in the tokenizer's configuration rules it out.
        encoder: Loads the fast one, as the stage will use it.

    Raises:
        ConfigError: The setting insists on the fast backend, which cannot be used.
    """
    if setting == "hf":
        return hugging_face()
    try:
        return _proven(path, sample, refusal, encoder)
    except UnusableError as error:
        if setting == "fast":
            raise ConfigError(
                f"The fast tokenizer backend cannot be used: {error}.",
                where="tokenizer_backend",
                hint="Install nemotron-data-prep[fast], or set tokenizer_backend=auto or hf.",
            ) from error
        level = logging.WARNING if gigatoken.is_installed() else logging.INFO
        logger.log(level, "The tokenizers library is used, the slower backend: %s", error)
        return hugging_face(str(error))


def warm_up(
    setting: TokenizerBackend,
    path: Path,
    encoder: Callable[[Path], FastEncoder] = FastEncoder,
) -> None:
    """Load in a worker process what the backend that will be chosen most likely needs.

    Args:
        setting: As for :func:`choose_backend`.
        path: The ``tokenizer.json``.
        encoder: Loads the fast one.
    """
    try:
        if setting == "hf":
            load_tokenizer(path)
        else:
            _ready(path, encoder)
    except UnusableError as error:
        logger.debug("the fast tokenizer is not ready: %s", error)


def backend_options(setting: TokenizerBackend) -> dict[str, str]:
    """What the name of a run says about its backend.

    Nothing, since ids are the same; but who goes without the fast one is never answered with
    the cached output of the other.
    """
    return {"tokenizer_backend": setting} if setting == "hf" else {}


def used_backends(receipts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The backends that made some shards: one, unless a run was finished elsewhere."""
    found: list[dict[str, Any]] = []
    for receipt in receipts:
        backend = receipt["tokenizer_backend"]
        if backend not in found:
            found.append(backend)
    return found


def _proven(
    path: Path,
    sample: Callable[[], Iterable[Specimen]],
    refusal: Callable[[Path], str | None],
    encoder: Callable[[Path], FastEncoder],
) -> Backend:
    """The fast backend, compared on probes and on the sample."""
    refused = refusal(path)
    if refused is not None:
        raise UnusableError(refused)
    specimens = list(distinct(probes(load_tokenizer(path)), sample()))
    with ThreadPoolExecutor(1, "fast-backend") as aside:
        candidate = _Loading(aside.submit(_ready, path, encoder))
        difference = first_difference(HuggingFaceEncoder(path), candidate, specimens)
    if difference is not None:
        raise UnusableError(f"its ids differ from those of tokenizers: {difference}")
    return Backend("fast", gigatoken.library(), compared=len(specimens))


def _ready(path: Path, encoder: Callable[[Path], FastEncoder]) -> FastEncoder:
    """The fast backend with everything loaded that its first text would wait for."""
    loaded = encoder(path)
    loaded.encode(["warm"])
    return loaded


@dataclass(frozen=True, slots=True)
class _Loading:
    """A backend that is loaded on another thread, while its reference is at work."""

    encoder: Future[FastEncoder]

    def encode(self, texts: Sequence[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Tokenize texts, as soon as it is there."""
        return self.encoder.result().encode(texts)


def hugging_face(reason: str | None = None) -> Backend:
    """The backend that is right by definition, and why it is not the fast one."""
    return Backend("hf", f"tokenizers {version('tokenizers')}", reason=reason)
