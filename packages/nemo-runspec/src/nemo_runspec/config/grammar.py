"""Hydra's override grammar: from ``++a.b=[1,{c:'d'}]`` to a key and a value.

Beside the letters that Hydra allows in unquoted values, every other one that has no meaning
in the grammar is allowed too, and so are quoted dictionary keys and nested interpolations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from enum import Enum
from typing import Any, NoReturn

from nemo_runspec.errors import ConfigError
from nemo_runspec.redaction import redact_word

_INT_TEXT = r"(?:0|[1-9](?:_?[0-9])*)"
_POINT = rf"(?:{_INT_TEXT}\.|(?:{_INT_TEXT})?\.[0-9](?:_?[0-9])*)"
_EXPONENT = rf"(?:{_POINT}|{_INT_TEXT})[eE][+-]?[0-9](?:_?[0-9])*"
_INT = re.compile(rf"[+-]?{_INT_TEXT}")
_FLOAT = re.compile(rf"[+-]?(?:{_EXPONENT}|{_POINT}|[Ii][Nn][Ff]|[Nn][Aa][Nn])")
_HEAD = re.compile(r"(\+\+|\+|~)?([^=\s]*)\s*(=)?", re.ASCII)
_NAME = r"(?:[A-Za-z_$][\w$-]*|[0-9]+)"
_DOTTED = re.compile(rf"{_NAME}(?:\.{_NAME}|\[{_NAME}\])*", re.ASCII)
_GROUP = re.compile(rf"{_NAME}(?:/{_NAME})*(?:@[\w$.-]*)?", re.ASCII)
_KEY_PART = re.compile(r"[\w$-]+", re.ASCII)
_ESCAPABLE = "\\()[]{}:=, \t"
_SPACE = " \t"
_SPECIAL = "()[]{},='\""
_NEVER_NEXT = ("=", "'", '"', "[", "{")
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_RESERVED_WORDS = {"null", "true", "false", "inf", "nan"}
_SWEEPS = {"choice", "range", "interval", "glob", "shuffle", "sort", "tag", "extend_list"}


class OverrideKind(Enum):
    """What an override does; the value is its prefix."""

    SET = ""
    ADD = "+"
    FORCE = "++"
    DELETE = "~"


@dataclass(frozen=True, slots=True)
class Override:
    """One override.

    Args:
        text: As it was written, for messages; secrets are hidden.
        kind: What it does.
        key: The key as written, such as ``a.b`` or ``group/name``.
        value: The value; a string may hold interpolations.
        has_value: False for ``~key``.
    """

    text: str
    kind: OverrideKind
    key: str
    value: Any
    has_value: bool

    @property
    def path(self) -> tuple[str, ...]:
        """The key's parts: ``a.b[0]`` is ``("a", "b", "0")``."""
        return tuple(_KEY_PART.findall(self.key))


def is_override(text: str) -> bool:
    """Tell whether a command-line word can only be meant as an override."""
    return text.startswith(("~", "+")) or "=" in text


def parse_override(text: str) -> Override:
    """Parse one override.

    Raises:
        ConfigError: The text does not follow the grammar.
    """
    shown = redact_word(text)
    stripped = text.lstrip()
    head = _HEAD.match(stripped)
    if head is None:
        raise ConfigError(f"{shown!r} is no override.", hint="Write key=value.")
    kind = OverrideKind(head[1] or "")
    key, equals = head[2], head[3]
    if not (_DOTTED.fullmatch(key) or _GROUP.fullmatch(key)):
        raise ConfigError(
            f"{key!r} is no key that can be overridden.", where=shown, hint="Write a.b.c=value."
        )
    if equals is None and kind is not OverrideKind.DELETE:
        raise ConfigError("The override has no value.", where=shown, hint=f"Write {key}=value.")
    value = _Reader(stripped[head.end() :], shown).whole() if equals else None
    return Override(text=shown, kind=kind, key=key, value=value, has_value=equals is not None)


def parse_value(text: str) -> Any:
    """Parse the right-hand side of an override."""
    return _Reader(text, text).whole()


def render_value(value: Any) -> str:
    """Write a value so that :func:`parse_value` reads it back equal.

    Args:
        value: None, a boolean, number or string, or lists and mappings of them.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(render_value(item) for item in value)}]"
    if isinstance(value, dict):
        pairs = (f"{_render_key(key)}:{render_value(item)}" for key, item in value.items())
        return f"{{{','.join(pairs)}}}"
    return _quote(str(value))


def _render_key(key: Any) -> str:
    plain = isinstance(key, str) and _PLAIN_KEY.fullmatch(key) is not None
    if plain and key.lower() not in _RESERVED_WORDS:
        return str(key)
    return render_value(key)


def _quote(text: str) -> str:
    doubled = re.sub(r"(\\+)(?='|\Z)", r"\1\1", text)
    return "'" + doubled.replace("'", "\\'") + "'"


class _Reader:
    """A cursor over one value's text."""

    def __init__(self, text: str, override: str) -> None:
        self._text = text
        self._at = 0
        self._open_casts = 0
        self._override = override

    def whole(self) -> Any:
        self._skip_space()
        if self._done():
            return ""
        value = self._element()
        self._skip_space()
        if self._peek() == ",":
            self._fail(
                "Several values are given for one key.",
                "Write [a,b] for a list, or put quotes around a text with commas.",
            )
        if not self._done():
            self._fail(f"{self._text[self._at :]!r} is left over.", "Put quotes around the value.")
        return value

    def _element(self) -> Any:
        self._skip_space()
        character = self._peek()
        if character == "[":
            return self._list()
        if character == "{":
            return self._dict()
        if character in ("'", '"'):
            return self._quoted()
        return self._primitive()

    def _list(self) -> list[Any]:
        self._at += 1
        items: list[Any] = []
        while not self._closes("]", among=items):
            items.append(self._element())
        return items

    def _dict(self) -> dict[Any, Any]:
        self._at += 1
        content: dict[Any, Any] = {}
        while not self._closes("}", among=content):
            key = self._dict_key()
            if key in content:
                self._fail(f"The key {key!r} stands twice.", None)
            content[key] = self._element()
        return content

    def _dict_key(self) -> Any:
        self._skip_space()
        quoted = self._peek() in ("'", '"')
        key = self._quoted() if quoted else self._primitive(_SPECIAL + ":")
        self._skip_space()
        if self._peek() != ":":
            self._fail(f"A ':' is missing after the key {key!r}.", "Write {key: value}.")
        if key is None:
            self._fail("null cannot be a key.", None)
        self._at += 1
        return key

    def _closes(self, closing: str, *, among: Collection[Any]) -> bool:
        self._skip_space()
        if self._peek() == closing:
            self._at += 1
            return True
        if self._done():
            self._fail(f"A '{closing}' is missing.", "Close it, or put quotes around the value.")
        if among:
            if self._peek() != ",":
                self._fail(f"A ',' or '{closing}' is missing.", "Put quotes around the value.")
            self._at += 1
        return False

    def _quoted(self) -> str:
        quote = self._text[self._at]
        found = re.compile(rf"(?:[^\\{quote}]|\\[\s\S])*{quote}").match(self._text, self._at + 1)
        if found is None:
            self._fail(f"The quote {quote} is never closed.", None)
        self._at = found.end()
        body = re.sub(rf"(\\+){quote}", lambda match: match[0][1::2], found[0])
        return body if found[0].endswith(f"\\{quote}") else body[:-1]

    def _primitive(self, stops: str = _SPECIAL) -> Any:
        pieces: list[tuple[str, bool]] = []
        while not self._done() and self._peek() not in stops:
            pieces.append(self._piece())
        text = "".join(piece for piece, _ in pieces)
        if self._peek() == "(":
            return self._function(text.strip())
        if self._peek() in _NEVER_NEXT or (self._peek() == ")" and not self._open_casts):
            self._fail(
                f"An unquoted value cannot hold {self._peek()!r}.", "Put quotes around the value."
            )
        if not pieces:
            self._fail("A value is missing.", "Write '' for an empty text.")
        if all(plain for _, plain in pieces):
            return _typed(text.strip(_SPACE))
        return _without_trailing_space(pieces)

    def _piece(self) -> tuple[str, bool]:
        """Take one character, escape or interpolation; True if it is a mere character."""
        text, at = self._text, self._at
        if text.startswith("${", at):
            self._at = self._end_of_interpolation(at)
            return text[at : self._at], False
        if text[at] == "\\" and text[at + 1 : at + 2] and text[at + 1] in _ESCAPABLE:
            self._at += 2
            return text[at + 1], False
        self._at += 1
        return text[at], True

    def _end_of_interpolation(self, start: int) -> int:
        depth, at, quote = 0, start, ""
        while at < len(self._text):
            character = self._text[at]
            if character == "\\":
                at += 1
            elif quote:
                quote = "" if character == quote else quote
            elif character in "'\"":
                quote = character
            elif character == "{":
                depth += 1
            elif character == "}":
                depth -= 1
                if depth == 0:
                    return at + 1
            at += 1
        return self._fail("An interpolation '${' is never closed.", "Add the missing '}'.")

    def _function(self, name: str) -> Any:
        if name in _SWEEPS:
            self._fail(f"'{name}(…)' is for sweeps, which are not offered here.", None)
        cast = _CASTS.get(name)
        if cast is None:
            self._fail(
                f"An unquoted value cannot hold '(' after {name!r}.", "Put quotes around the value."
            )
        self._at += 1
        self._open_casts += 1
        value = self._element()
        self._open_casts -= 1
        self._skip_space()
        if self._peek() != ")":
            self._fail("A ')' is missing.", None)
        self._at += 1
        try:
            return _cast_all(cast, value)
        except (TypeError, ValueError) as error:
            return self._fail(f"{name}() cannot convert {value!r}: {error}.", None)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _done(self) -> bool:
        return self._at >= len(self._text)

    def _skip_space(self) -> None:
        while self._peek() and self._peek() in _SPACE:
            self._at += 1

    def _fail(self, what: str, hint: str | None) -> NoReturn:
        raise ConfigError(what, where=self._override, hint=hint)


def _typed(text: str) -> Any:
    word = text.lower()
    if word == "null":
        return None
    if word in ("true", "false"):
        return word == "true"
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _without_trailing_space(pieces: list[tuple[str, bool]]) -> str:
    while pieces[-1] in ((" ", True), ("\t", True)):
        pieces.pop()
    return "".join(piece for piece, _ in pieces)


def _cast_all(cast: Callable[[Any], Any], value: Any) -> Any:
    if isinstance(value, list):
        return [_cast_all(cast, item) for item in value]
    if isinstance(value, dict):
        return {key: _cast_all(cast, item) for key, item in value.items()}
    return cast(value)


def _to_bool(value: Any) -> bool:
    if isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise ValueError("it is neither true nor false")
        return value.lower() == "true"
    return bool(value)


def _to_str(value: Any) -> str:
    return value if isinstance(value, str) else render_value(value)


_CASTS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "bool": _to_bool,
    "str": _to_str,
}
