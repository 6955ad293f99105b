"""Enough of GraphQL to answer any query on what this server knows.

The W&B client names fields, aliases, fragments and `@include` conditions that differ from version
to version. Executing its documents, instead of answering each by its name, serves them all from
one description of the types, and a field that is not described is an error, as on a real server.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Node = dict[str, Any]
"""An object: plain values, nodes, lists of nodes, or functions of a field's arguments.

`__typename` names its type; `__interfaces` the interfaces that fragments may name instead.
"""

_TOKEN = re.compile(
    r"#[^\n]*|(?P<token>\.\.\.|[!$():=@\[\]{}|&]|\"(?:[^\"\\]|\\.)*\"|-?\d+(?:\.\d+)?|[A-Za-z_]\w*)"
)
_CLOSING = {"{": "}", "(": ")", "[": "]"}


class QueryError(Exception):
    """A document that this server cannot answer."""


class Variable(str):
    """The name of a variable, where a value stands."""

    __slots__ = ()


@dataclass(frozen=True)
class Selection:
    """A field, or the fields of a fragment.

    Attributes:
        name: The field's name; empty for a fragment.
        alias: What the answer calls it.
        arguments: The field's arguments.
        inner: What is selected of the field's value, or of the fragment.
        fragment: The name of a fragment that is spread here.
        condition: The type that an inline fragment asks for.
        directives: `include` and `skip`, with their arguments.
    """

    name: str = ""
    alias: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inner: tuple[Selection, ...] = ()
    fragment: str = ""
    condition: str = ""
    directives: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Document:
    """One operation and its fragments.

    Attributes:
        kind: `query` or `mutation`.
        name: The operation's name.
        defaults: The default values of its variables.
        selections: What it asks for.
        fragments: Type condition and selections by the fragment's name.
    """

    kind: str
    name: str
    defaults: Mapping[str, Any]
    selections: tuple[Selection, ...]
    fragments: Mapping[str, tuple[str, tuple[Selection, ...]]]


def parse(text: str) -> Document:
    """Take a document with one operation apart.

    Raises:
        QueryError: It is none.
    """
    try:
        return _Parser(text).document()
    except (IndexError, StopIteration, ValueError) as error:
        raise QueryError(f"Syntax Error: {error}") from error


def execute(document: Document, root: Node, variables: Mapping[str, Any]) -> dict[str, Any]:
    """Answer an operation.

    Args:
        document: The operation.
        root: The type that it starts from.
        variables: The values of its variables.

    Raises:
        QueryError: It asks for a field, an argument or a fragment that is not known.
    """
    values = {**document.defaults, **variables}
    return _Execution(document, values).select(root, document.selections)


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = [m["token"] for m in _TOKEN.finditer(text) if m["token"]]
        self._at = 0

    @property
    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, expected: str = "") -> str:
        token = self._tokens[self._at]
        if expected and token != expected:
            raise ValueError(f"Expected {expected}, found {token}.")
        self._at += 1
        return token

    def _took(self, token: str) -> bool:
        if self._next != token:
            return False
        self._at += 1
        return True

    def _until_closed(self, opening: str) -> Iterator[None]:
        self._take(opening)
        while not self._took(_CLOSING[opening]):
            yield

    def document(self) -> Document:
        operations: list[tuple[str, str, dict[str, Any], tuple[Selection, ...]]] = []
        fragments: dict[str, tuple[str, tuple[Selection, ...]]] = {}
        while self._next:
            if self._took("fragment"):
                name, _, condition = self._take(), self._take("on"), self._take()
                fragments[name] = (condition, self._selections())
            else:
                operations.append(self._operation())
        ((kind, name, defaults, selections),) = operations
        return Document(kind, name, defaults, selections, fragments)

    def _operation(self) -> tuple[str, str, dict[str, Any], tuple[Selection, ...]]:
        kind = "query" if self._next == "{" else self._take()
        name = self._take() if self._next not in {"(", "{"} else ""
        defaults = self._defaults() if self._next == "(" else {}
        return kind, name, defaults, self._selections()

    def _defaults(self) -> dict[str, Any]:
        defaults = {}
        for _ in self._until_closed("("):
            self._take("$")
            name = self._take()
            while self._next not in {"=", "$", ")"}:
                self._take()
            if self._took("="):
                defaults[name] = self._value()
        return defaults

    def _selections(self) -> tuple[Selection, ...]:
        return tuple(self._selection() for _ in self._until_closed("{"))

    def _selection(self) -> Selection:
        if self._took("..."):
            return self._fragment()
        alias = name = self._take()
        if self._took(":"):
            name = self._take()
        arguments = self._arguments() if self._next == "(" else {}
        directives = self._directives()
        inner = self._selections() if self._next == "{" else ()
        return Selection(name, alias, arguments, inner, directives=directives)

    def _fragment(self) -> Selection:
        if self._next not in {"on", "{", "@"}:
            return Selection(fragment=self._take(), directives=self._directives())
        condition = self._take() if self._took("on") else ""
        directives = self._directives()
        return Selection(condition=condition, directives=directives, inner=self._selections())

    def _directives(self) -> dict[str, dict[str, Any]]:
        found = {}
        while self._took("@"):
            name = self._take()
            found[name] = self._arguments() if self._next == "(" else {}
        return found

    def _arguments(self) -> dict[str, Any]:
        return dict(self._pairs("("))

    def _pairs(self, opening: str) -> Iterator[tuple[str, Any]]:
        for _ in self._until_closed(opening):
            name, _ = self._take(), self._take(":")
            yield name, self._value()

    def _value(self) -> Any:
        if self._next == "{":
            return dict(self._pairs("{"))
        if self._next == "[":
            return [self._value() for _ in self._until_closed("[")]
        if self._took("$"):
            return Variable(self._take())
        token = self._take()
        is_json = token[0] in '"-' or token[0].isdigit() or token in {"true", "false", "null"}
        return json.loads(token) if is_json else token  # else a member of an enumeration


class _Execution:
    def __init__(self, document: Document, variables: Mapping[str, Any]) -> None:
        self._fragments = document.fragments
        self._variables = variables

    def select(self, node: Node, selections: tuple[Selection, ...]) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for selection in selections:
            if not self._is_wanted(selection):
                continue
            if not selection.name:
                _merge(answer, self._of_fragment(node, selection))
            else:
                _merge(answer, {selection.alias: self._of_field(node, selection)})
        return answer

    def _is_wanted(self, selection: Selection) -> bool:
        # A variable that is false may be left out by a client written in Go.
        include = self._given(selection.directives.get("include", {"if": True})).get("if")
        skip = self._given(selection.directives.get("skip", {"if": False})).get("if")
        return bool(include) and not skip

    def _of_fragment(self, node: Node, selection: Selection) -> dict[str, Any]:
        condition, inner = selection.condition, selection.inner
        if selection.fragment:
            if selection.fragment not in self._fragments:
                raise QueryError(f'Unknown fragment "{selection.fragment}".')
            condition, inner = self._fragments[selection.fragment]
        types = {node["__typename"], *node.get("__interfaces", ())}
        return self.select(node, inner) if condition in {"", *types} else {}

    def _of_field(self, node: Node, selection: Selection) -> Any:
        if selection.name not in node:
            typename = node["__typename"]
            raise QueryError(f'Cannot query field "{selection.name}" on type "{typename}".')
        value = node[selection.name]
        if callable(value):
            value = _call(selection.name, value, self._given(selection.arguments))
        return self._within(value, selection.inner)

    def _within(self, value: Any, inner: tuple[Selection, ...]) -> Any:
        if isinstance(value, list):
            return [self._within(item, inner) for item in value]
        if isinstance(value, dict) and inner:
            return self.select(value, inner)
        return value  # a scalar, of which one is JSON

    def _given(self, value: Any) -> Any:
        """Replace variables by their values; an argument without one is left out."""
        if isinstance(value, Variable):
            return self._variables.get(value)
        if isinstance(value, list):
            return [self._given(item) for item in value]
        if isinstance(value, Mapping):
            return {
                name: self._given(item)
                for name, item in value.items()
                if not isinstance(item, Variable) or item in self._variables
            }
        return value


def _call(name: str, function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call a field with its arguments, or those of its `input`, in Python's spelling."""
    given = {**arguments, **arguments.get("input", {})}
    for name_of_none in ("input", "clientMutationId"):
        given.pop(name_of_none, None)
    try:
        bound = inspect.signature(function).bind(**{_snake(key): v for key, v in given.items()})
    except TypeError as error:
        raise QueryError(f'Field "{name}": {error}.') from error
    return function(*bound.args, **bound.kwargs)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _merge(answer: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(answer.get(key), dict):
            _merge(answer[key], value)
        else:
            answer[key] = value
