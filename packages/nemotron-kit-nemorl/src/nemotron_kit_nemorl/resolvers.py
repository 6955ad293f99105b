"""What NeMo-RL's configurations compute with, beside ``${art:…}`` and ``${mul:…}``.

Releases from 0.6 on register theirs only where nobody else did. Earlier drivers register ``mul``
without looking, and fail where it is there: :func:`release_resolvers` makes room for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from omegaconf import OmegaConf

from nemo_runspec.errors import ConfigError
from nemo_runspec.resolvers.registration import register_resolver
from nemo_runspec.resolvers.registration import register_resolvers as register_shared

Number = int | float


def add(first: Any, second: Any) -> Number:
    """Add two numbers."""
    return _number("add", first) + _number("add", second)


def divide(first: Any, second: Any) -> Number:
    """Divide a number by another; the quotient is a float.

    Raises:
        ConfigError: The divisor is zero, or one of them is no number.
    """
    divisor = _number("div", second)
    if divisor == 0:
        raise ConfigError(f"div divides {first!r} by zero.")
    return _number("div", first) / divisor


def greater(first: Any, second: Any) -> Number:
    """Take the greater of two numbers."""
    return max(_number("max", first), _number("max", second))


_RESOLVERS: dict[str, Callable[..., Any]] = {"add": add, "div": divide, "max": greater}
_THEIRS = ("mul", *_RESOLVERS)


def register_resolvers() -> None:
    """Register ``art``, ``mul``, ``add``, ``div`` and ``max``.

    Those of the last four that NeMo-RL registered before stay; they compute the same.
    """
    register_shared()
    for name, resolver in _RESOLVERS.items():
        if not OmegaConf.has_resolver(name):
            register_resolver(name, resolver)


def release_resolvers() -> None:
    """Take back ``mul``, ``add``, ``div`` and ``max``, for a driver that registers its own.

    Resolve configurations before. ``art`` stays.
    """
    for name in _THEIRS:
        OmegaConf.clear_resolver(name)


def _number(name: str, value: Any) -> Number:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} computes with numbers, and {value!r} is none.")
    return value
