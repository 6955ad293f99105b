"""Check at the start that what the recipe needs of others is installed."""

from __future__ import annotations

import sys
from typing import Any


def require(requirements: list[Any]) -> None:
    """Leave with one sentence where something that the recipe needs is not installed."""
    from importlib import metadata
    from importlib.util import find_spec

    absent: list[str] = []
    old: list[str] = []
    for text, name, clauses, modules in requirements:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            if not any(find_spec(module) for module in modules):
                absent.append(text)
            continue
        if not all(_holds(version, operator, wanted) for operator, wanted in clauses):
            old.append(f"{text} ({version} is installed)")
    if not absent and not old:
        return
    parts = [f"{_listed(absent)}, not installed here"] if absent else []
    parts += [_listed(old)] if old else []
    wanted = " ".join(f"'{text.partition(' (')[0]}'" for text in (*absent, *old))
    sys.exit(f"error: main.py needs {'; and '.join(parts)}. Install with: pip install {wanted}")


def _holds(version: str, operator: str, wanted: str) -> bool:
    """Whether a version fits; pre-releases count as their release, and unknown forms fit."""
    found, limit = _release(version), _release(wanted.removesuffix(".*"))
    if not found or not limit:
        return True
    length = max(len(found), len(limit))
    here = found + (0,) * (length - len(found))
    there = limit + (0,) * (length - len(limit))
    same = found[: len(limit)] == limit if wanted.endswith(".*") else here == there
    if operator == "~=":
        return here >= there and found[: len(limit) - 1] == limit[:-1]
    return {
        ">=": here >= there,
        ">": here > there,
        "<=": here <= there,
        "<": here < there,
        "==": same,
        "===": version == wanted,
        "!=": not same,
    }[operator]


def _release(version: str) -> tuple[int, ...]:
    import re

    found = re.match(r"v?(?:\d+!)?(\d+(?:\.\d+)*)", version)
    return () if found is None else tuple(int(part) for part in found[1].split("."))


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
