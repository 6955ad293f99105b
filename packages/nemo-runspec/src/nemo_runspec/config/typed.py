"""Turn a configuration into a dataclass or a pydantic model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

from nemo_runspec.config.files import first_line
from nemo_runspec.config.locate import key_line
from nemo_runspec.config.shape import Shape, fit, shape_of
from nemo_runspec.config.source import source_file
from nemo_runspec.errors import ConfigError
from nemo_runspec.redaction import redact_text
from nemo_runspec.secret_names import is_secret_key

T = TypeVar("T")

IGNORED_SECTIONS = ("run", "artifacts", "defaults")
_MISSING = "???"
_SHOWN_LENGTH = 60


def omegaconf_to_dataclass(config: DictConfig, cls: type[T]) -> T:
    """Build a typed configuration; pydantic converts and checks the values.

    Interpolations are resolved. The sections ``run``, ``artifacts`` and ``defaults`` are left
    out unless the class declares them; every other key must be one of the class, at every depth.

    Args:
        config: A configuration.
        cls: A dataclass or a pydantic model.

    Returns:
        An instance of it.

    Raises:
        ConfigError: A key is unknown or missing, a value does not fit, or an interpolation
            cannot be resolved; the message names the full key, and the file where known.
    """
    return to_typed(config, cls, source=source_file(config))


def to_typed(config: DictConfig, cls: type[T], *, source: str | None) -> T:
    """Build a typed configuration, as :func:`omegaconf_to_dataclass`.

    Args:
        config: A configuration.
        cls: A dataclass or a pydantic model.
        source: The file that the configuration comes from, for messages.
    """
    shape = shape_of(cls)
    if shape is None:
        raise ConfigError(
            f"{cls.__name__} is neither a dataclass nor a pydantic model.",
            hint="Decorate it with @dataclass.",
        )
    values = _resolved(config, shape, source)
    try:
        fitted = fit(cls, values)
    except ConfigError as error:
        raise ConfigError(error.what, where=_place(source, error.where), hint=error.hint) from error
    return _validated(cls, fitted, source)


def _place(source: str | None, key: str | None) -> str | None:
    line = key_line(Path(source), key.split(".")) if source and key else None
    return source if line is None else f"{source}:{line}"


def _resolved(config: DictConfig, shape: Shape, source: str | None) -> dict[str, Any]:
    wanted = [key for key in config if key in shape.keys or key not in IGNORED_SECTIONS]
    missing = [path for key in wanted for path in _missing_paths(config, key)]
    if missing:
        raise _missing_error(missing, source)
    return {str(key): _value(config, key, source) for key in wanted}


def _value(config: DictConfig, key: Any, source: str | None) -> Any:
    try:
        value = config[key]
        if isinstance(value, (DictConfig, ListConfig)):
            return OmegaConf.to_container(value, resolve=True)
    except OmegaConfBaseException as error:
        raise ConfigError(
            f"'{error.full_key or key}' cannot be resolved: {first_line(error)}.", where=source
        ) from error
    return value


def _missing_paths(config: DictConfig, key: Any) -> list[str]:
    raw = OmegaConf.to_container(config, resolve=False, throw_on_missing=False)
    return _marked((str(key),), dict(raw)[key])  # type: ignore[arg-type]


def _marked(path: tuple[str, ...], value: Any) -> list[str]:
    if isinstance(value, dict):
        items: Sequence[tuple[Any, Any]] = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    else:
        return [".".join(path)] if isinstance(value, str) and value == _MISSING else []
    return [found for key, item in items for found in _marked((*path, str(key)), item)]


def _validated(cls: type[T], values: Mapping[str, Any], source: str | None) -> T:
    try:
        return TypeAdapter(cls).validate_python(values)
    except ValidationError as error:
        raise _invalid(error, values, cls.__name__, source) from error
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        raise ConfigError(
            f"{cls.__name__} cannot be used as a configuration: {first_line(error)}."
        ) from error


def _invalid(
    error: ValidationError, values: Mapping[str, Any], name: str, source: str | None
) -> ConfigError:
    details = error.errors(include_url=False, include_context=False)
    missing = [_key(item["loc"], values) for item in details if item["type"] == "missing"]
    if missing:
        return _missing_error(list(dict.fromkeys(missing)), source)
    problems = dict.fromkeys(_problem(item, values) for item in details)
    return ConfigError(
        f"The configuration does not fit {name}: {'; '.join(problems)}.", where=source
    )


def _problem(item: Any, values: Mapping[str, Any]) -> str:
    key = _key(item["loc"], values)
    message = str(item["msg"]).rstrip(".").removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if item["type"] == "value_error" and not key:
        return message
    shown = redact_text(repr(item["input"]))
    if len(shown) > _SHOWN_LENGTH:
        shown = f"{shown[:_SHOWN_LENGTH]}…"
    if is_secret_key(key.rpartition(".")[2]):
        shown = "***"
    return f"'{key}' is {shown}, but {message}"


def _key(location: Sequence[Any], values: Any) -> str:
    """Keep the parts of pydantic's location that are keys; the rest names union members."""
    parts: list[str] = []
    for index, part in enumerate(location):
        keys = values if isinstance(values, Mapping) else range(_length(values))
        if part in keys:
            parts.append(str(part))
            values = values[part]
        elif index == len(location) - 1 and isinstance(values, (Mapping, list)):
            parts.append(str(part))
    return ".".join(parts)


def _length(values: Any) -> int:
    return len(values) if isinstance(values, list) else 0


def _missing_error(keys: Sequence[str], source: str | None) -> ConfigError:
    named = ", ".join(f"'{key}'" for key in keys)
    what = (
        f"The key {named} has no value." if len(keys) == 1 else f"The keys {named} have no value."
    )
    return ConfigError(
        what, where=source, hint=f"Set them in the file or on the command line: {keys[0]}=…"
    )
