"""What keys a typed configuration has: checks names before values are converted."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any

from pydantic import BaseModel

from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean

_UNIONS = (typing.Union, types.UnionType)


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """The keys of one dataclass or model.

    Args:
        name: The class's name.
        keys: Key to annotation.
        is_open: True if keys that are not listed are welcome.
    """

    name: str
    keys: Mapping[str, Any]
    is_open: bool


def shape_of(annotation: Any) -> Shape | None:
    """Describe a dataclass or pydantic model; None for every other type.

    Raises:
        ConfigError: Its annotations name something that does not exist.
    """
    if not isinstance(annotation, type):
        return None
    if issubclass(annotation, BaseModel):
        return _model_shape(annotation)
    if dataclasses.is_dataclass(annotation):
        return _dataclass_shape(annotation)
    return None


def declares(annotation: Any, path: Sequence[str]) -> bool:
    """Tell whether a typed configuration has a key, given with the names of the sections around it.

    Args:
        annotation: A dataclass, model, or any other annotation.
        path: The key's parts.
    """
    if not path:
        return True
    return any(_member_declares(member, path) for member in _members(annotation))


def fit(annotation: Any, value: Any, path: tuple[str, ...] = ()) -> Any:
    """Check the keys of a plain value against a type, at every depth.

    Args:
        annotation: What the value shall become.
        value: Plain mappings, lists and values.
        path: Where the value stands, for messages.

    Returns:
        The value, with the names of enum members replaced by the members.

    Raises:
        ConfigError: A mapping has a key that its type does not know; it stands at that key.
    """
    members = _members(annotation)
    if isinstance(value, Mapping):
        return _fit_mapping(members, value, path)
    if isinstance(value, list):
        return _fit_list(members, value, path)
    if isinstance(value, str):
        return _fit_text(members, value)
    return value


def _fit_mapping(members: Sequence[Any], value: Mapping[Any, Any], path: tuple[str, ...]) -> Any:
    shapes = [shape for member in members if (shape := shape_of(member)) is not None]
    others = [member for member in members if shape_of(member) is None]
    shape = next((shape for shape in shapes if _knows_all(shape, value)), None)
    if shape is not None:
        return _fit_shape(shape, value, path)
    mapping = next((member for member in others if _takes_mappings(member)), None)
    if mapping is not None:
        item = _argument(mapping, 1)
        return {key: fit(item, entry, (*path, str(key))) for key, entry in value.items()}
    if shapes:
        return _fit_shape(shapes[0], value, path)
    return value


def _fit_shape(shape: Shape, value: Mapping[Any, Any], path: tuple[str, ...]) -> dict[str, Any]:
    fitted: dict[str, Any] = {}
    for key, entry in value.items():
        if key not in shape.keys and not shape.is_open:
            raise ConfigError(
                f"{shape.name} has no key '{'.'.join((*path, str(key)))}'.",
                where=".".join((*path, str(key))),
                hint=did_you_mean(str(key), shape.keys) or "It has no keys at all.",
            )
        fitted[key] = fit(shape.keys.get(key, Any), entry, (*path, str(key)))
    return fitted


def _fit_list(members: Sequence[Any], value: list[Any], path: tuple[str, ...]) -> list[Any]:
    sequence = next((member for member in members if typing.get_args(member)), Any)
    arguments = typing.get_args(sequence)
    each = len(arguments) > 1 and arguments[-1] is not Ellipsis
    return [
        fit(_argument(sequence, index if each else 0), item, (*path, str(index)))
        for index, item in enumerate(value)
    ]


def _fit_text(members: Sequence[Any], value: str) -> Any:
    for member in members:
        if isinstance(member, type) and issubclass(member, Enum):
            values = {item.value for item in member}
            if value not in values and value in member.__members__:
                return member[value]
    return value


def _knows_all(shape: Shape, value: Mapping[Any, Any]) -> bool:
    return shape.is_open or all(key in shape.keys for key in value)


def _member_declares(member: Any, path: Sequence[str]) -> bool:
    shape = shape_of(member)
    if shape is None:
        return member is Any or (
            _takes_mappings(member) and declares(_argument(member, 1), path[1:])
        )
    if path[0] not in shape.keys:
        return shape.is_open
    return declares(shape.keys[path[0]], path[1:])


def _members(annotation: Any) -> list[Any]:
    """Take wrappers off an annotation: ``Annotated``, type aliases, unions."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _members(typing.get_args(annotation)[0])
    if origin in _UNIONS:
        return [found for member in typing.get_args(annotation) for found in _members(member)]
    alias = getattr(annotation, "__value__", None)
    return [annotation] if alias is None else _members(alias)


def _takes_mappings(member: Any) -> bool:
    origin = typing.get_origin(member) or member
    return member is Any or (isinstance(origin, type) and issubclass(origin, Mapping))


def _argument(annotation: Any, index: int) -> Any:
    arguments = typing.get_args(annotation)
    return arguments[index] if index < len(arguments) else Any


def _model_shape(model: type[BaseModel]) -> Shape:
    keys: dict[str, Any] = {}
    by_name = bool(model.model_config.get("populate_by_name")) or bool(
        model.model_config.get("validate_by_name")
    )
    for name, info in model.model_fields.items():
        aliases = [info.alias, info.validation_alias]
        written = [alias for alias in aliases if isinstance(alias, str)]
        for key in {*written, *([name] if by_name or not written else [])}:
            keys[key] = info.annotation
    return Shape(model.__name__, keys, is_open=model.model_config.get("extra") == "allow")


def _dataclass_shape(cls: type) -> Shape:
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except NameError as error:
        raise ConfigError(
            f"An annotation of {cls.__name__} names '{error.name}', which does not exist.",
            hint="Import it, and define the class at the top level of its module.",
        ) from error
    keys = {item.name: hints[item.name] for item in dataclasses.fields(cls) if item.init}
    return Shape(cls.__name__, keys, is_open=False)
