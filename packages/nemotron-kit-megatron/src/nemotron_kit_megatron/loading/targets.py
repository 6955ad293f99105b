"""What a configuration names with ``_target_``: found, or refused with what there is."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any

from nemo_runspec.errors import ConfigError
from nemo_runspec.suggest import did_you_mean
from nemotron_kit_megatron.versions import described

TARGET = "_target_"


def find_target(target: Any, *, where: str) -> Any:
    """Import what a ``_target_`` names.

    Args:
        target: The dotted path of a function or class.
        where: The key that names it, for messages.

    Raises:
        ConfigError: It is no dotted path, cannot be imported, or its module has no such name; the
            message names the nearest one, and the release that is installed.
    """
    if not isinstance(target, str) or "." not in target:
        raise ConfigError(f"{target!r} names no function.", where=where, hint="Write module.name.")
    module_name, _, name = target.rpartition(".")
    module = _module(module_name, target, where)
    if not hasattr(module, name):
        raise ConfigError(
            f"{module_name} has no {name} in {described()}.",
            where=where,
            hint=did_you_mean(name, _exports(module)),
        )
    found = getattr(module, name)
    if not callable(found):
        raise ConfigError(f"{target} is no function or class.", where=where)
    return found


def call_target(found: Any, arguments: Mapping[str, Any], *, where: str) -> Any:
    """Call what a ``_target_`` names.

    Args:
        found: The function or class.
        arguments: Its keyword arguments.
        where: The key that names it, for messages.

    Raises:
        ConfigError: It does not take an argument, or needs one that is missing.
    """
    parameters = parameters_of(found)
    if parameters is not None:
        _check_arguments(found, parameters, arguments, where)
    return found(**arguments)


def parameters_of(found: Any) -> Mapping[str, inspect.Parameter] | None:
    """The parameters of a function or class; None where anything may be passed."""
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return None
    kinds = {parameter.kind for parameter in parameters.values()}
    return None if inspect.Parameter.VAR_KEYWORD in kinds else parameters


def build(value: Any, *, where: str) -> Any:
    """Make what a value describes: wherever ``_target_`` stands, a call of it.

    Args:
        value: Plain data.
        where: The key that holds it, for messages.

    Raises:
        ConfigError: A ``_target_`` cannot be found or called.
    """
    if isinstance(value, list):
        return [build(item, where=f"{where}[{index}]") for index, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    built = {
        str(key): build(item, where=f"{where}.{key}")
        for key, item in value.items()
        if key != TARGET
    }
    if TARGET not in value:
        return built
    found = find_target(value[TARGET], where=f"{where}.{TARGET}")
    return call_target(found, built, where=where)


def _module(name: str, target: str, where: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if name != missing and not name.startswith(f"{missing}."):
            raise
        raise ConfigError(
            f"{target} cannot be imported: there is no module {missing} in {described()}.",
            where=where,
            hint=_nearest_module(name, missing),
        ) from error


def _nearest_module(name: str, missing: str) -> str | None:
    parent, _, last = missing.rpartition(".")
    if not parent or not name.startswith(parent):
        return None
    from pkgutil import iter_modules

    path = getattr(importlib.import_module(parent), "__path__", ())
    return did_you_mean(last, [module.name for module in iter_modules(path)])


def _exports(module: Any) -> list[str]:
    listed = getattr(module, "__all__", None)
    if listed:
        return [str(name) for name in listed]
    return [name for name, value in vars(module).items() if name[0] != "_" and callable(value)]


def _check_arguments(
    found: Any,
    parameters: Mapping[str, inspect.Parameter],
    arguments: Mapping[str, Any],
    where: str,
) -> None:
    name = getattr(found, "__name__", str(found))
    for key in arguments:
        if key not in parameters:
            raise ConfigError(
                f"{name} takes no argument {key!r} in {described()}.",
                where=f"{where}.{key}",
                hint=did_you_mean(key, parameters),
            )
    for key, parameter in parameters.items():
        required = parameter.default is inspect.Parameter.empty and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        )
        if required and key not in arguments:
            raise ConfigError(f"{name} needs the argument {key!r}.", where=where)
