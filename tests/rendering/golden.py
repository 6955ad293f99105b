"""Compare what is rendered with a file; NEMOTRON_WRITE_GOLDEN=1 writes the file instead."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

_WRITE = "NEMOTRON_WRITE_GOLDEN"


def matches(file: Path, found: str) -> bool:
    """Tell whether a text is that of the golden file, and show the difference where it is not."""
    if os.environ.get(_WRITE):
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    assert found.splitlines() == file.read_text(encoding="utf-8").splitlines()
    return True


def as_json(value: Any) -> str:
    """Write values of NeMo-Run's own classes as JSON."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        return {"": type(value).__name__, **{key: _plain(item) for key, item in fields.items()}}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
