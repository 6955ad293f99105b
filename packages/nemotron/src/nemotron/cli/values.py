"""How numbers, sizes, times and nested values are shown to people."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from nemo_runspec.amounts import show_count, show_size

_LONGEST = 200
_SHORT = 60
_UNITS = (
    (365 * 86_400, "year"),
    (30 * 86_400, "month"),
    (86_400, "day"),
    (3_600, "hour"),
    (60, "minute"),
    (1, "second"),
)


def show_time(time: datetime) -> str:
    """Spell a point in time, to the second, with its zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z").rstrip()


def show_age(time: datetime, now: datetime | None = None) -> str:
    """Spell how long ago something was: ``3 hours ago``.

    Args:
        time: When it was; in local time where it has no time zone.
        now: The time to count from; by default this moment.
    """
    end = now or datetime.now(UTC)
    # In its own zone, for the first and the last day of the calendar have no other.
    passed = end.astimezone().replace(tzinfo=None) - time if time.tzinfo is None else end - time
    seconds = int(passed.total_seconds())
    for length_s, unit in _UNITS:
        if seconds >= length_s:
            return f"{show_count(seconds // length_s, unit)} ago"
    return "just now"


def show_value(value: Any) -> str:
    """Spell a JSON value on one line; long texts are cut, nested values counted."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}"
    if value in (None, [], {}):
        return "none"
    if isinstance(value, list | dict):
        return _nested(value)
    text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def show_row(key: str, value: Any) -> tuple[str, str]:
    """Spell a recorded key and its value: a unit at the key's end moves behind the number.

    A key with a slash is a name, such as that of a score, and stays what it is.
    """
    if "/" in key:
        return f"{key}:", show_value(value)
    plain = key.replace("_", " ")
    if isinstance(value, int | float) and not isinstance(value, bool):
        if key.endswith("_bytes"):
            return _label(plain.removesuffix(" bytes")), show_size(value)
        if key.endswith("_s"):
            return _label(plain.removesuffix(" s")), f"{value:,.1f} s"
        if key.endswith("_percent"):
            return _label(plain.removesuffix(" percent")), f"{value:,.4g} %"
    return _label(plain), show_value(value)


def _nested(value: list[Any] | dict[str, Any]) -> str:
    if isinstance(value, dict) and all(type(count) is int for count in value.values()):
        counts = ", ".join(f"{count:,} {key.replace('_', ' ')}" for key, count in value.items())
        if len(counts) <= _LONGEST:
            return counts
    text = json.dumps(value, ensure_ascii=False, default=str)
    if len(text) <= _SHORT:
        return text
    noun = "key" if isinstance(value, dict) else "entry"
    plural = "entries" if noun == "entry" else "keys"
    return f"{len(value)} {noun if len(value) == 1 else plural} (see --json)"


def _label(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}:"
