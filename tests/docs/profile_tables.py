"""The tables of docs/reference/env-toml.md, read off the models."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

from nemo_runspec.execution.profiles.keys import PROFILES, ProfileKey, keys_of
from nemo_runspec.execution.profiles.model import Profile
from nemo_runspec.execution.profiles.values import described

HEAD = "| key | takes | default | meaning |\n|---|---|---|---|"


def common_keys() -> dict[str, ProfileKey]:
    """The keys that are declared for every executor."""
    wanted = [item.name for item in fields(Profile) if "says" in item.metadata]
    found = {}
    for name in wanted:
        keys = [keys_of(model)[name] for model in PROFILES.values() if name in keys_of(model)]
        found[name] = min(keys, key=lambda each: len(each.spelled))
    return found


def own_keys(executor: str) -> list[ProfileKey]:
    """What an executor has of its own, or means in its own way."""
    common = common_keys()
    return [key for name, key in keys_of(PROFILES[executor]).items() if key != common.get(name)]


def absent_keys(executor: str) -> list[str]:
    """The common keys that an executor does not have."""
    return [name for name in common_keys() if name not in keys_of(PROFILES[executor])]


def table(keys: Iterable[ProfileKey]) -> str:
    """Write keys as a table."""
    return "\n".join([HEAD, *(_row(key) for key in keys)])


def section(executor: str) -> str:
    """Write what stands below the heading of an executor."""
    absent = absent_keys(executor)
    note = f"It has no {', '.join(f'`{name}`' for name in absent)}.\n\n" if absent else ""
    return note + table(own_keys(executor))


def _row(key: ProfileKey) -> str:
    names = ", ".join(f"`{name}`" for name in (key.name, *key.spelled))
    takes = described(key.annotation).replace("|", "\\|")
    return f"| {names} | {takes} | {_shown(key.default)} | {key.says} |"


def _shown(default: Any) -> str:
    if default is None or default in ((), {}):
        return "\N{EN DASH}"
    return f"`{str(default).lower()}`" if isinstance(default, bool) else f"`{default}`"
