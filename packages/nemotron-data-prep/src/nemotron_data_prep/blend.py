"""The blend file: which datasets, from where, with which weights."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from nemo_runspec.errors import DataError
from nemo_runspec.suggest import did_you_mean
from nemotron_data_prep.config import SPLITS

FORMATS = ("jsonl", "parquet", "text")
SAMPLE_BY = ("document", "paragraph", "line")
_KEYS = (
    "name",
    "path",
    "weight",
    "format",
    "sample_by",
    "split",
    "text_field",
    "messages_field",
    "tools_field",
)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset of a blend.

    Attributes:
        name: Letters, digits, ``.``, ``_``, ``-``; names folders of the output.
        path: A local path, glob or folder, or a URL that fsspec opens.
        weight: Its share of the blend for pretraining; elsewhere how often each record is
            used: 0.5 keeps every other one, 2 repeats each.
        format: ``jsonl``, ``parquet`` or ``text``; None goes by the files' suffixes.
        sample_by: What one record of a text file is.
        split: Puts all records into this split; None splits by content.
        text_field: The key of the text.
        messages_field: The key of the conversation.
        tools_field: The key of the tools offered in the conversation.
    """

    name: str
    path: str
    weight: float = 1.0
    format: str | None = None
    sample_by: str = "document"
    split: str | None = None
    text_field: str = "text"
    messages_field: str = "messages"
    tools_field: str = "tools"


def read_blend(path: Path) -> tuple[Dataset, ...]:
    """Read and check a blend file.

    Args:
        path: A JSON file ``{"datasets": [{"name": …, "path": …, "weight": …}, …]}``; relative
            paths inside are relative to the file's folder.

    Raises:
        DataError: The file is missing or malformed; the message names the file and the entry.
    """
    document = _load(path)
    where = str(path)
    if not isinstance(document, dict) or set(document) != {"datasets"}:
        raise DataError(
            "A blend is an object with one key, 'datasets'.",
            where=where,
            hint='Write {"datasets": [{"name": "…", "path": "…", "weight": 1.0}]}.',
        )
    entries = document["datasets"]
    if not isinstance(entries, list) or not entries:
        raise DataError("The blend lists no datasets.", where=where)
    datasets = tuple(
        _dataset(entry, path.parent, f"{where}: datasets[{index}]")
        for index, entry in enumerate(entries)
    )
    _refuse_duplicates(datasets, where)
    return datasets


def _load(path: Path) -> Any:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(
            f"The blend file cannot be read: {error.strerror}.", where=str(path)
        ) from error
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise DataError(
            f"The blend file is no valid JSON: {error.msg}.", where=f"{path}:{error.lineno}"
        ) from error


def _dataset(entry: Any, folder: Path, where: str) -> Dataset:
    if not isinstance(entry, dict):
        raise DataError("A dataset is an object with name, path and weight.", where=where)
    for key in entry:
        if key not in _KEYS:
            raise DataError(f"Unknown key {key!r}.", where=where, hint=did_you_mean(key, _KEYS))
    name, path = (_text(entry, key, where) for key in ("name", "path"))
    _check_name(name, where)
    fields = {key: _text(entry, key, where) for key in entry if key.endswith("_field")}
    return Dataset(
        name=name,
        path=_absolute(path, folder),
        weight=_weight(entry, where),
        format=_choice(entry, "format", FORMATS, where),
        sample_by=_choice(entry, "sample_by", SAMPLE_BY, where) or "document",
        split=_choice(entry, "split", SPLITS, where),
        **fields,
    )


def _text(entry: Mapping[str, Any], key: str, where: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise DataError(f"{key!r} must be a text that is not empty.", where=where)
    return value


def _check_name(name: str, where: str) -> None:
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name[0] in ".-":
        raise DataError(
            f"{name!r} is no dataset name.",
            where=where,
            hint="Use letters, digits, '.', '_' and '-'.",
        )


def _weight(entry: Mapping[str, Any], where: str) -> float:
    value = entry.get("weight", 1.0)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise DataError(
            f"The weight {value!r} is no positive number.",
            where=where,
            hint="Give a positive weight, or take the dataset out of the blend.",
        )
    return float(value)


def _choice(entry: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> str | None:
    value = entry.get(key)
    if value is None or value in known:
        return value
    raise DataError(f"{key!r} is {value!r}.", where=where, hint=did_you_mean(str(value), known))


def _absolute(path: str, folder: Path) -> str:
    if "://" in path:
        return path
    return os.path.normpath(folder.absolute() / path)


def _refuse_duplicates(datasets: tuple[Dataset, ...], where: str) -> None:
    seen: set[str] = set()
    for dataset in datasets:
        if dataset.name in seen:
            raise DataError(f"Two datasets are named {dataset.name!r}.", where=where)
        seen.add(dataset.name)
