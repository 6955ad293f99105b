"""``${mul:a,b}``: the product of numbers, as NeMo-RL's configurations write it."""

from __future__ import annotations

from typing import Any

from nemo_runspec.errors import ConfigError


def multiply(*factors: Any) -> int | float:
    """Multiply two or more numbers; whole numbers stay whole.

    Raises:
        ConfigError: There are fewer than two factors, or one is no number.
    """
    if len(factors) < 2:  # noqa: PLR2004 - a product has two factors
        raise ConfigError("mul needs at least two numbers, as in ${mul:2,3}.")
    product: int | float = 1
    for factor in factors:
        if isinstance(factor, bool) or not isinstance(factor, int | float):
            raise ConfigError(f"mul multiplies numbers, and {factor!r} is none.")
        product *= factor
    return product
