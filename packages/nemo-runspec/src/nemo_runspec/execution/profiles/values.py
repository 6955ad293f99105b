"""Check one value of a profile against the type that its key has."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from nemo_runspec.redaction import redact_text
from nemo_runspec.secret_names import is_secret_key, is_secret_variable
from nemo_runspec.url_secrets import REDACTED

_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "a text",
    bool: "true or false",
}


class Interpolated(str):
    """A text that an interpolation gave: of an environment variable, which holds nothing else."""

    __slots__ = ()


class WrongValueError(ValueError):
    """A value does not fit.

    Args:
        path: The keys below the one that was checked.
        value: What stands there.
        wanted: What would fit.
    """

    def __init__(self, path: tuple[str, ...], value: Any, wanted: str) -> None:
        super().__init__(wanted)
        self.path = path
        self.value = value
        self.wanted = wanted

    def told(self, key: str) -> str:
        """Say in a sentence what is wrong; a secret is not in it.

        Args:
            key: The whole key.
        """
        parts = [part for part in key.split(".") if not part.isdecimal()]
        name = parts[-1] if parts else ""
        hidden = is_secret_key(name) or ("env_vars" in parts and is_secret_variable(name))
        shown = REDACTED if hidden else redact_text(repr(self.value))
        return f"'{key}' is {shown}, but must be {self.wanted}."


def fitted(value: Any, annotation: Any) -> Any:
    """Give a value the type that its key has; nothing is guessed.

    Args:
        value: What TOML, YAML or the command line gave.
        annotation: The type.

    Raises:
        WrongValueError: It does not fit.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _one_of(value, arguments)
    if origin is Annotated:
        return fitted(_as_text(value), arguments[0])
    if origin is Literal:
        if value in arguments:
            return value
        raise WrongValueError((), value, " or ".join(repr(item) for item in arguments))
    if origin is tuple:
        return _items(value, arguments[0])
    if origin is not None and issubclass(origin, Mapping):
        return _table(value, arguments[1])
    return _plain(value, annotation)


def described(annotation: Any) -> str:
    """Say what a type takes, for the reference and for messages."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(described(item) for item in arguments if item is not type(None))
    if origin is Annotated:
        return f"{described(arguments[0])} or a whole number"
    if origin is Literal:
        return " or ".join(repr(item) for item in arguments)
    if origin is tuple:
        return "a list of tables" if get_origin(arguments[0]) else "a list of texts"
    if origin is not None and issubclass(origin, Mapping):
        return "a table of texts" if arguments[1] is str else "a table"
    return _WORDS[annotation]


def _one_of(value: Any, annotations: tuple[Any, ...]) -> Any:
    if value is None and type(None) in annotations:
        return None
    kinds = [item for item in annotations if item is not type(None)]
    problems = []
    for kind in kinds:
        try:
            return fitted(value, kind)
        except WrongValueError as error:
            problems.append(error)
    deepest = max(problems, key=lambda error: len(error.path))
    if deepest.path:
        raise deepest
    raise WrongValueError((), value, " or ".join(described(kind) for kind in kinds))


def _items(value: Any, annotation: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise WrongValueError((), value, described(tuple[annotation, ...]))
    return tuple(_at(str(at), item, annotation) for at, item in enumerate(value))


def _table(value: Any, annotation: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise WrongValueError((), value, described(Mapping[str, annotation]))
    if annotation is not str:
        return {str(name): item for name, item in value.items()}
    texts = {str(name): _as_text(item) for name, item in value.items() if item is not None}
    return {name: _at(name, item, str) for name, item in texts.items()}


def _at(name: str, value: Any, annotation: Any) -> Any:
    try:
        return fitted(value, annotation)
    except WrongValueError as error:
        raise WrongValueError((name, *error.path), error.value, error.wanted) from None


def _as_text(value: Any) -> Any:
    """A whole number in a table of texts is what it looks like; a truth value could be several."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _meant(text: str, annotation: Any) -> Any:
    """Read a number or a truth value out of a text; what is none stays a text."""
    if annotation is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    try:
        return annotation(text)
    except ValueError:
        return text


def _plain(value: Any, annotation: Any) -> Any:
    if annotation is Any:
        return value
    if isinstance(value, Interpolated):
        value = str(value) if annotation is str else _meant(value, annotation)
    fits: Callable[[], bool] = {
        bool: lambda: isinstance(value, bool),
        int: lambda: isinstance(value, int) and not isinstance(value, bool),
        float: lambda: isinstance(value, (int, float)) and not isinstance(value, bool),
        str: lambda: isinstance(value, str),
    }[annotation]
    if not fits():
        raise WrongValueError((), value, _WORDS[annotation])
    return value
