"""Whether a value fits a field, as far as the field's annotation says."""

from __future__ import annotations

import dataclasses
import enum
import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean

_PLAIN = (bool, int, float, str)
_WRITTEN_AS: dict[Any, tuple[type, ...]] = {
    bool: (bool,),
    int: (int,),
    float: (int, float),
    str: (str,),
    Path: (str,),
    list: (list,),
    tuple: (list,),
    set: (list,),
    dict: (),
    type(None): (),
}


def annotations_of(target: Any) -> dict[str, Any]:
    """The annotations of a dataclass; those that cannot be evaluated are left out.

    Args:
        target: An instance.
    """
    if not dataclasses.is_dataclass(target):
        return {}
    try:
        return get_type_hints(type(target))
    except (AttributeError, NameError, TypeError):
        return {field.name: field.type for field in dataclasses.fields(target)}


def fitted(value: Any, annotation: Any, *, where: str) -> Any:
    """Check a value, and convert what a configuration file cannot write as such.

    A whole float becomes an integer, a name the member of an enumeration or the ``torch.dtype``.
    A value of a type that is not understood here is taken as it is.

    Args:
        value: The value.
        annotation: The field's annotation.
        where: The field's full key, for messages.

    Raises:
        ConfigError: It does not fit.
    """
    kinds = _alternatives(annotation)
    if not kinds or not _plain(value):
        return value
    if value is None:
        return _none(kinds, where)
    errors: list[ConfigError] = []
    for kind in kinds:
        try:
            return _as(kind, value, where)
        except ConfigError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    names = " or ".join(_name(kind) for kind in kinds)
    raise ConfigError(f"{value!r} is no {names}.", where=where)


def dataclass_in(annotation: Any) -> type | None:
    """The one dataclass that an annotation allows, where there is just one."""
    found = [
        kind
        for kind in _alternatives(annotation)
        if isinstance(kind, type) and dataclasses.is_dataclass(kind)
    ]
    return found[0] if len(found) == 1 else None


def _alternatives(annotation: Any) -> list[Any]:
    if annotation is None or annotation is Any or isinstance(annotation, str):
        return []
    if get_origin(annotation) in (Union, types.UnionType):
        members = [each for arm in get_args(annotation) for each in _alternatives(arm)]
        return [] if Any in get_args(annotation) else members
    return [annotation]


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, (*_PLAIN, list))


def _none(kinds: list[Any], where: str) -> None:
    if type(None) in kinds or any(_is_opaque(kind) for kind in kinds):
        return
    names = " or ".join(_name(kind) for kind in kinds)
    raise ConfigError(f"null is no {names}.", where=where)


def _as(kind: Any, value: Any, where: str) -> Any:
    if get_origin(kind) is Literal:
        return _literal(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _member(kind, value, where)
    if _is_dtype(kind):
        return _dtype(value, where)
    if kind is int and isinstance(value, float) and value.is_integer():
        return int(value)
    if _fits(kind, value):
        return value
    raise ConfigError(f"{value!r} is no {_name(kind)}.", where=where)


def _fits(kind: Any, value: Any) -> bool:
    outer = get_origin(kind) or kind
    if outer in _WRITTEN_AS:
        # To Python a bool is a whole number; to a configuration it is not.
        is_switch = isinstance(value, bool) and outer is not bool
        return isinstance(value, _WRITTEN_AS[outer]) and not is_switch
    return _is_opaque(kind) and not isinstance(value, bool)


def _is_opaque(kind: Any) -> bool:
    if (get_origin(kind) or kind) in (*_WRITTEN_AS, Literal):
        return False
    return not (isinstance(kind, type) and issubclass(kind, enum.Enum)) and not _is_dtype(kind)


def _literal(kind: Any, value: Any, where: str) -> Any:
    allowed = get_args(kind)
    if any(value == each and type(value) is type(each) for each in allowed):
        return value
    raise ConfigError(
        f"{value!r} is not one of {', '.join(map(repr, allowed))}.",
        where=where,
        hint=did_you_mean(str(value), [str(each) for each in allowed]),
    )


def _member(kind: type[enum.Enum], value: Any, where: str) -> enum.Enum:
    for member in kind:
        if value in (member.name, member.value):
            return member
    names = [member.name for member in kind]
    raise ConfigError(
        f"{value!r} is no {kind.__name__}.", where=where, hint=did_you_mean(str(value), names)
    )


def _is_dtype(kind: Any) -> bool:
    torch: Any = sys.modules.get("torch")
    return torch is not None and kind is getattr(torch, "dtype", object())


def _dtype(value: Any, where: str) -> Any:
    torch: Any = sys.modules["torch"]
    found = getattr(torch, str(value).removeprefix("torch."), None)
    if isinstance(found, torch.dtype):
        return found
    raise ConfigError(f"{value!r} is no torch.dtype.", where=where, hint="Write torch.bfloat16.")


def _name(kind: Any) -> str:
    if kind is type(None):
        return "null"
    return getattr(kind, "__name__", str(kind)) if get_origin(kind) is None else str(kind)
