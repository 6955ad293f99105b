"""Put the settings of a configuration into the framework's own configuration objects."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean
from nemotron_kit_megatron.loading.annotations import annotations_of, dataclass_in, fitted
from nemotron_kit_megatron.loading.targets import TARGET, build
from nemotron_kit_megatron.versions import described


def merge(target: Any, settings: Mapping[str, Any], *, where: str = "") -> None:
    """Set what a configuration says; what it does not name stays as it is.

    A section is merged into the object that stands there, a mapping into a mapping. A section that
    has a ``_target_`` replaces what stood there.

    Args:
        target: An object of the framework's configuration.
        settings: Plain data, section by section.
        where: The key of the object, for messages.

    Raises:
        ConfigError: A key is unknown or a value does not fit; the message names the full key.
    """
    annotations = annotations_of(target)
    for key, value in settings.items():
        full = f"{where}.{key}" if where else str(key)
        if not hasattr(target, key):
            raise ConfigError(
                f"{described()} has no setting '{full}'.",
                where=full,
                hint=did_you_mean(key, _settings_of(target)),
            )
        _set(target, key, value, annotations.get(key), full)


def _set(target: Any, key: str, value: Any, annotation: Any, where: str) -> None:
    current = getattr(target, key)
    if value is None and (current is None or _may_be_none(target, key)):
        setattr(target, key, None)
    elif not isinstance(value, Mapping) or TARGET in value:
        setattr(target, key, fitted(build(value, where=where), annotation, where=where))
    elif isinstance(current, Mapping):
        setattr(target, key, {**current, **build(value, where=where)})
    elif current is not None and hasattr(current, "__dict__"):
        merge(current, value, where=where)
    else:
        setattr(target, key, _new(value, annotation, where))


def _may_be_none(target: Any, key: str) -> bool:
    """Tell it by the default: annotations are not always that exact."""
    fields = dataclasses.fields(target) if dataclasses.is_dataclass(target) else ()
    return any(field.name == key and field.default is None for field in fields)


def _new(value: Mapping[str, Any], annotation: Any, where: str) -> Any:
    """A section where nothing stands: of the one class that the field allows."""
    kind = dataclass_in(annotation)
    if kind is None:
        return build(value, where=where)
    needed = [field.name for field in dataclasses.fields(kind) if _is_required(field)]
    missing = [name for name in needed if name not in value]
    if missing:
        raise ConfigError(f"{kind.__name__} needs '{missing[0]}'.", where=where)
    made = kind(**{name: build(value[name], where=f"{where}.{name}") for name in needed})
    merge(made, value, where=where)
    return made


def _is_required(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.init and field.default is missing and field.default_factory is missing


def _settings_of(target: Any) -> list[str]:
    if dataclasses.is_dataclass(target):
        return [field.name for field in dataclasses.fields(target)]
    return [name for name in vars(target) if name[0] != "_"]
