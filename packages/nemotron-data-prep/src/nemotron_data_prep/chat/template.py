"""Chat templates, rendered as Hugging Face's libraries render them.

The sandboxed Jinja environment has ``trim_blocks``, ``lstrip_blocks``, loop controls,
``raise_exception``, ``strftime_now``, a ``tojson`` that leaves text unescaped, and the
``{% generation %}`` block, which marks what the assistant wrote.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, meta, nodes
from jinja2.exceptions import TemplateSyntaxError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from nemo_runspec.errors import ConfigError, DataError
from nemo_runspec.suggest import did_you_mean
from nemotron_data_prep.chat.messages import RejectedError
from nemotron_data_prep.chat.own_templates import DEFAULT

# Unicode non-characters: no valid interchange text holds them.
_GENERATION_START = "\ufdd0"
_GENERATION_END = "\ufdd1"
RESERVED_CHARACTERS = (_GENERATION_START, _GENERATION_END)
_HARMLESS = (LoopContext, Namespace, str)
_GENERATION_TAG = re.compile(r"\{%[-+]?\s*generation\b")


class _GenerationBlock(Extension):
    """``{% generation %}…{% endgeneration %}``: wraps its content in two non-characters."""

    tags = {"generation"}  # noqa: RUF012 - the base class declares it so

    def parse(self, parser: Parser) -> nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        call = self.call_method("_mark", [])
        return nodes.CallBlock(call, [], [], body).set_lineno(line)

    def _mark(self, caller: Callable[[], str]) -> str:
        return f"{_GENERATION_START}{caller()}{_GENERATION_END}"


class _Sandbox(ImmutableSandboxedEnvironment):
    """The sandbox, with a short answer for the objects that templates ask about most.

    The answer is the same: nothing but private names is unsafe on them.
    """

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if type(obj) in _HARMLESS:
            return not attr.startswith("_")
        return super().is_safe_attribute(obj, attr, value)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered conversation.

    Attributes:
        text: What is tokenized.
        generated: Character spans of the template's generation blocks; None where the template
            has none.
    """

    text: str
    generated: tuple[tuple[int, int], ...] | None


class ChatTemplate:
    """A compiled chat template.

    Args:
        source: Its Jinja source.
        variables: Values for every rendering: special tokens and the user's own.
        today: What ``strftime_now`` answers; None refuses templates that ask.

    Raises:
        ConfigError: The source is no valid template, or asks for a date that is not given.
    """

    def __init__(self, source: str, variables: Mapping[str, Any], today: date | None) -> None:
        self.source = source
        self._variables = dict(variables)
        environment = _environment(today)
        try:
            self._template = environment.from_string(source)
            names = meta.find_undeclared_variables(environment.parse(source))
        except TemplateSyntaxError as error:
            raise ConfigError(
                f"The chat template is no valid Jinja: {error.message}.",
                where=f"chat_template:{error.lineno}",
            ) from error
        if "strftime_now" in names and today is None:
            raise ConfigError(
                "The chat template writes today's date, so each day would give other data.",
                where="template_date",
                hint="Set template_date=2026-01-31, or any other day.",
            )
        self.has_thinking_switch = "enable_thinking" in names and (
            "enable_thinking" not in self._variables
        )
        self._marks_generation = _GENERATION_TAG.search(source) is not None

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Any] | None,
        **variables: Any,
    ) -> Rendered:
        """Render a conversation.

        Args:
            messages: Its messages.
            tools: Schemas of its tools.
            variables: More values, such as ``add_generation_prompt``.

        Raises:
            RejectedError: The template refuses the conversation.
        """
        values = {"add_generation_prompt": False, **self._variables, **variables}
        try:
            text = self._template.render(messages=messages, tools=tools, documents=None, **values)
        except (TemplateError, TypeError, ValueError, AttributeError, KeyError) as error:
            raise RejectedError("template_error", str(error)) from error
        return _without_marks(text) if self._marks_generation else Rendered(text, None)


def template_source(chosen: str | None, own: Mapping[str, str], tokenizer_path: Path) -> str:
    """Find the Jinja source of a configuration's chat template.

    Args:
        chosen: The name of one of the tokenizer's own or of one of this package, a file, Jinja
            source, or None for the tokenizer's default.
        own: The templates that come with the tokenizer, by name.
        tokenizer_path: Where the tokenizer is, for the message.

    Raises:
        DataError: The tokenizer has no template and none is chosen.
        ConfigError: The choice is no template.
    """
    if chosen is None:
        return _default(own, tokenizer_path)
    if "{%" in chosen or "{{" in chosen:
        return chosen
    built_in = _built_in()
    if chosen in own:
        return own[chosen]
    if chosen in built_in:
        return str(built_in[chosen].read_text(encoding="utf-8"))
    try:
        return Path(chosen).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{chosen!r} is neither a known template nor a readable file.",
            where="chat_template",
            hint=did_you_mean(chosen, [*own, *built_in]),
        ) from error


def _default(own: Mapping[str, str], tokenizer_path: Path) -> str:
    if DEFAULT in own:
        return own[DEFAULT]
    named = ", ".join(own)
    raise DataError(
        f"None of the tokenizer's chat templates ({named}) is its default."
        if own
        else "The tokenizer has no chat template.",
        where=str(tokenizer_path),
        hint=f"Set chat_template to {named or 'nano3'}, a file, or use a tokenizer that has one.",
    )


def template_digest(source: str) -> str:
    """SHA-256 of a template, in hex."""
    return hashlib.sha256(source.encode()).hexdigest()


def parse_day(text: str | None) -> date | None:
    """Read ``template_date``.

    Raises:
        ConfigError: It is no date.
    """
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is no date.", where="template_date", hint="Write it as 2026-01-31."
        ) from error


def _built_in() -> dict[str, Any]:
    folder = resources.files("nemotron_data_prep") / "templates"
    return {
        item.name.removesuffix(".jinja"): item
        for item in folder.iterdir()
        if item.name.endswith(".jinja")
    }


def _environment(today: date | None) -> ImmutableSandboxedEnvironment:
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationBlock, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    if today is not None:
        environment.globals["strftime_now"] = today.strftime
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - templates pass it so
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _raise_exception(message: str) -> None:
    raise TemplateError(message)


def _without_marks(marked: str) -> Rendered:
    first, *blocks = marked.split(_GENERATION_START)
    pieces = [first]
    spans: list[tuple[int, int]] = []
    length = len(first)
    for block in blocks:
        inside, _, after = block.partition(_GENERATION_END)
        spans.append((length, length + len(inside)))
        pieces += [inside, after]
        length += len(inside) + len(after)
    return Rendered("".join(pieces), tuple(spans))
