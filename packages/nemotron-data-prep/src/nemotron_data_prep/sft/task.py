"""What workers need to tokenize conversations, and the renderer that they make of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.chat.messages import RejectedError, read_conversation
from nemotron_data_prep.chat.sequences import SequenceMaker
from nemotron_data_prep.chat.template import ChatTemplate, parse_day
from nemotron_data_prep.config import ChatRenderer
from nemotron_data_prep.sources.source_file import SourceFile
from nemotron_data_prep.tokenizing.backend import Backend


@dataclass(frozen=True, slots=True, kw_only=True)
class SftTask:
    """What a worker needs to tokenize a shard.

    Attributes:
        template: Source of the chat template.
        tool_template: That of conversations that offer tools, if it is another one.
        variables: Values that it reads.
        template_date: The day that it sees, ``YYYY-MM-DD``.
        policies: The ``on_…`` settings.
        special_tokens: Texts that the tokenizer turns into special tokens.
        backend: The library that tokenizes.
        chat_renderer: ``auto`` translates the template where that can be done, ``jinja`` never.
    """

    datasets: tuple[Dataset, ...]
    files: tuple[SourceFile, ...]
    tokenizer: Path
    template: str
    tool_template: str | None
    variables: dict[str, Any]
    template_date: str | None
    end_of_turn: str | None
    policies: dict[str, str]
    special_tokens: tuple[str, ...]
    backend: Backend
    chat_renderer: ChatRenderer


def make_sequence_maker(task: SftTask) -> SequenceMaker:
    """The renderer of a task; the next shard of the same task gets the same one."""
    renderer = _Renderer(_Variables(task.variables), task.template_date, task.chat_renderer)
    return _sequence_maker(
        task.template, task.tool_template, renderer, task.special_tokens, task.end_of_turn
    )


def sample_texts(maker: SequenceMaker, dataset: Dataset, record: Mapping[str, Any]) -> list[str]:
    """The sequences of a record as they are tokenized, for the comparison of backends."""
    try:
        conversation = read_conversation(record, dataset.messages_field, dataset.tools_field)
        return [text.text for text in maker.make(conversation).texts]
    except RejectedError:
        return []


class _Variables(dict[str, Any]):
    """Values that a template reads, as a part of a key."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(repr(self))


@dataclass(frozen=True, slots=True)
class _Renderer:
    """What the templates of a task have in common."""

    variables: _Variables
    template_date: str | None
    chat_renderer: ChatRenderer

    def template(self, source: str) -> ChatTemplate:
        template = _template(source, self.variables, self.template_date)
        return template.untranslated() if self.chat_renderer == "jinja" else template


@lru_cache(maxsize=4)
def _template(source: str, variables: _Variables, template_date: str | None) -> ChatTemplate:
    return ChatTemplate(source, variables, parse_day(template_date))


@lru_cache(maxsize=4)
def _sequence_maker(
    source: str,
    for_tools: str | None,
    renderer: _Renderer,
    special_tokens: tuple[str, ...],
    end_of_turn: str | None,
) -> SequenceMaker:
    tool_template = None if for_tools is None else renderer.template(for_tools)
    return SequenceMaker(renderer.template(source), special_tokens, end_of_turn, tool_template)
