"""Holds a translated chat template against Jinja, on the data itself.

A translation saves most of the time that rendering takes, and Jinja is right by definition. So
the first conversation of every shard, and one in 64 of the others, is rendered by both.
"""

from __future__ import annotations

from itertools import zip_longest

from nemo_runspec.amounts import show_count
from nemotron_data_prep.chat.messages import Conversation, RejectedError
from nemotron_data_prep.chat.sequences import SequenceMaker, TrainingTexts

ONE_IN = 64
_SHOWN_CHARACTERS = 20


class MistranslationError(Exception):
    """The translation makes something else of a conversation; the text says what."""


class Witness:
    """Makes sequences with a translated template, and sees that Jinja makes the same.

    Args:
        maker: Renders with the translation.
        reference: Renders with Jinja alone.
    """

    def __init__(self, maker: SequenceMaker, reference: SequenceMaker) -> None:
        self._maker = maker
        self._reference = reference
        self._none_yet = True

    def make(self, conversation: Conversation, key: int) -> TrainingTexts:
        """Render a conversation; see :meth:`SequenceMaker.make`.

        Args:
            conversation: The conversation.
            key: Its content key, which decides whether it is compared.

        Raises:
            RejectedError: It cannot be trained on.
            MistranslationError: It was compared, and Jinja makes something else of it.
        """
        found = _outcome(self._maker, conversation)
        if self._none_yet or key % ONE_IN == 0:
            self._none_yet = False
            _compare(found, _outcome(self._reference, conversation))
        if isinstance(found, RejectedError):
            raise found
        return found


def _outcome(maker: SequenceMaker, conversation: Conversation) -> TrainingTexts | RejectedError:
    try:
        return maker.make(conversation)
    except RejectedError as error:
        return error


def _compare(found: TrainingTexts | RejectedError, expected: TrainingTexts | RejectedError) -> None:
    if _essence(found) == _essence(expected):
        return
    if isinstance(found, RejectedError) or isinstance(expected, RejectedError):
        raise MistranslationError(f"{_told(found)} instead of {_told(expected)}")
    for ours, theirs in zip_longest(found.texts, expected.texts):
        if ours is None or theirs is None or ours.text == theirs.text:
            continue
        at = next(
            index
            for index, pair in enumerate(zip_longest(ours.text, theirs.text))
            if pair[0] != pair[1]
        )
        shown = slice(at, at + _SHOWN_CHARACTERS)
        raise MistranslationError(
            f"{ours.text[shown]!r} instead of {theirs.text[shown]!r} at character {at}"
        )
    raise MistranslationError("other sequences or spans")


def _essence(outcome: TrainingTexts | RejectedError) -> object:
    if isinstance(outcome, RejectedError):
        return outcome.reason, outcome.detail
    return outcome


def _told(outcome: TrainingTexts | RejectedError) -> str:
    if isinstance(outcome, RejectedError):
        return f"{outcome.reason} ({outcome.detail})"
    return show_count(len(outcome.texts), "sequence")
