"""Values as JSON holds them."""

from __future__ import annotations

import json
import math
from typing import Any


def json_value(value: Any) -> Any:
    """Make a value safe for strict JSON: a diverged loss, NaN or infinite, becomes its name.

    Args:
        value: A tree of mappings, lists and scalars.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    return value


def json_text(value: Any) -> bytes:
    """Write a value as an indented JSON document that ends with a newline."""
    text = json.dumps(json_value(value), indent=2, ensure_ascii=False, allow_nan=False)
    return f"{text}\n".encode()
