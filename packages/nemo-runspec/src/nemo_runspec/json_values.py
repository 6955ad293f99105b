"""Values as JSON holds them."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python

from nemo_runspec.errors import ArtifactError

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def json_value(value: Any) -> Any:
    """Make a value safe for strict JSON: a diverged loss, NaN or infinite, becomes its name.

    Paths, dates, sets and enums become what JSON has for them, and numbers of array libraries
    plain numbers.

    Args:
        value: A tree of mappings, lists and scalars.

    Raises:
        ArtifactError: A value has no form in JSON.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if value is None or type(value) in (str, int, float, bool):
        return value
    return _converted(value)


def json_text(value: Any) -> bytes:
    """Write a value as an indented JSON document that ends with a newline."""
    text = json.dumps(json_value(value), indent=2, ensure_ascii=False, allow_nan=False)
    # A path whose name is no UTF-8 comes as surrogates, which only an escape can hold.
    escaped = _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return f"{escaped}\n".encode()


def _converted(value: Any) -> Any:
    try:
        return json_value(to_jsonable_python(value, fallback=_scalar))
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"A value of type {type(value).__name__} cannot be recorded.",
            hint="Use numbers, texts, lists and mappings.",
        ) from error


def _scalar(value: Any) -> Any:
    """Take the number out of a numpy scalar or a tensor of one element."""
    item = getattr(value, "item", None)
    if not callable(item):
        raise TypeError(f"{type(value).__name__} has no form in JSON")
    return item()
