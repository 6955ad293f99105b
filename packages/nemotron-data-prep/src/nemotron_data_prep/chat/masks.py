"""From character spans to a mask over tokens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from nemo_runspec.amounts import show_count
from nemotron_data_prep.chat.messages import RejectedError
from nemotron_data_prep.chat.sequences import TrainingText


def trained_mask(
    encoding: Encoding, sequence: TrainingText, ids: NDArray[np.int32]
) -> NDArray[np.uint8]:
    """Mark the tokens that the assistant writes.

    Args:
        encoding: The tokenized sequence, with offsets.
        sequence: Its text and spans.
        ids: Its token ids, (tokens,).

    Returns:
        1 for every token of a span, the end-of-turn token included, else 0; (tokens,) uint8.
        The mask stands on the token itself; the shift to "predict the next" happens when packs
        are written.

    Raises:
        RejectedError: A token straddles the edge of a span, or the mask is all zeros or ones.
    """
    mask = np.zeros(len(ids), dtype=np.uint8)
    length = len(sequence.text)
    for start, end in sequence.spans:
        first = _token_from(encoding, start, length)
        stop = _token_behind(encoding, end, length)
        _check_edges(encoding, sequence.text, (first, stop), (start, end))
        mask[first:stop] = 1
    if mask.all():
        raise RejectedError("all_trained", show_count(len(mask), "token"))
    # Nothing predicts the first token of a sequence.
    mask[:1] = 0
    if not mask.any():
        raise RejectedError("all_masked", show_count(len(mask), "token"))
    return mask


def _token_from(encoding: Encoding, position: int, length: int) -> int:
    """The first token at or after a character that some token stands for."""
    for at in range(position, length):
        token = encoding.char_to_token(at)
        if token is not None:
            return int(token)
    return len(encoding)


def _token_behind(encoding: Encoding, position: int, length: int) -> int:
    """The token after the last one that begins before a character."""
    token = _token_from(encoding, position, length)
    characters = encoding.token_to_chars(token) if token < len(encoding) else None
    return token + 1 if characters is not None and characters[0] < position else token


def _check_edges(
    encoding: Encoding, text: str, tokens: tuple[int, int], span: tuple[int, int]
) -> None:
    first, stop = tokens
    start, end = span
    if first >= stop:
        raise RejectedError("untrained_end_of_turn", f"no token for characters {start}-{end}")
    begins = encoding.token_to_chars(first)
    ends = encoding.token_to_chars(stop - 1)
    if begins is None or ends is None or begins[0] < start:
        raise RejectedError("unaligned_span", f"characters {start}-{end}: {begins}, {ends}")
    if ends[1] < end:
        raise RejectedError("untrained_end_of_turn", f"characters {start}-{end} end at {ends[1]}")
    # Some tokenizers count the white space behind a special token as part of it.
    if not (ends[1] == end or text[end : ends[1]].isspace()):
        raise RejectedError("unaligned_span", f"characters {start}-{end}: {begins}, {ends}")
