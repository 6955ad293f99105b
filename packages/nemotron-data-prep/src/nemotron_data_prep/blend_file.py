"""Read a blend file and check it: which datasets, from where, with which weights."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo_runspec.errors import DataError
from nemo_runspec.suggest import did_you_mean
from nemotron_data_prep.blend import Dataset, TransformSpec
from nemotron_data_prep.config import SPLITS

_FORMATS = ("jsonl", "parquet", "text")
_SAMPLE_BY = ("document", "paragraph", "line")
_HUB = "hf://"
HUB_KEYS = ("revision", "subset", "source_split")
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
    *HUB_KEYS,
    "rows",
    "fraction",
    "transform",
)
_EXAMPLE = 'Write {"datasets": [{"name": "…", "path": "…", "weight": 1.0}]}.'


def read_blend(path: Path) -> tuple[Dataset, ...]:
    """Read and check a blend file.

    Args:
        path: A JSON file ``{"datasets": [{"name": …, "path": …, "weight": …}, …]}``, or
            ``{"train": […], "valid": […], "test": […]}`` with a list for each split; relative
            paths inside are relative to the file's folder.

    Raises:
        DataError: The file is missing or malformed; the message names the file and the entry.
    """
    document = _load(path)
    where = str(path)
    if not isinstance(document, dict) or not document:
        raise DataError(
            "A blend is an object with one key, 'datasets', or a key for each split.",
            where=where,
            hint=_EXAMPLE,
        )
    if "datasets" in document:
        return _one_list(document, path.parent, where)
    return _by_split(document, path.parent, where)


def read_entry(entry: Any, folder: Path, where: str) -> Dataset:
    """Read and check one dataset as a blend file lists it.

    Args:
        entry: An object with ``name``, ``path`` and other keys.
        folder: What relative paths are relative to.
        where: Names the place in messages.

    Raises:
        DataError: A key is unknown, or a value is wrong.
    """
    return _dataset(entry, folder, where, None)


def _one_list(document: Mapping[str, Any], folder: Path, where: str) -> tuple[Dataset, ...]:
    for key in document:
        if key in SPLITS:
            raise DataError(
                f"The blend has both 'datasets' and {key!r}.",
                where=where,
                hint="List all datasets under 'datasets', or each under its split.",
            )
        if key != "datasets":
            raise DataError(
                f"Unknown key {key!r}: a blend has one key, 'datasets', or one for each split.",
                where=where,
                hint=_EXAMPLE,
            )
    if not document["datasets"]:
        raise DataError("The blend lists no datasets.", where=where)
    return _entries(document["datasets"], folder, f"{where}: datasets", None)


def _by_split(document: Mapping[str, Any], folder: Path, where: str) -> tuple[Dataset, ...]:
    for key in document:
        if key not in SPLITS:
            known = ("datasets", *SPLITS)
            raise DataError(
                f"Unknown key {key!r}: a blend has one key, 'datasets', or one for each split.",
                where=where,
                hint=did_you_mean(key, known),
            )
    given = [split for split in SPLITS if document.get(split) is not None]
    for split in given:
        if not document[split]:
            raise DataError(
                f"The split {split!r} lists no datasets.",
                where=where,
                hint="List some, or leave the split out.",
            )
    if "train" not in given:
        raise DataError("The blend has no datasets for 'train'.", where=where)
    return tuple(
        dataset
        for split in given
        for dataset in _entries(document[split], folder, f"{where}: {split}", split)
    )


def _entries(entries: Any, folder: Path, where: str, split: str | None) -> tuple[Dataset, ...]:
    if not isinstance(entries, list):
        raise DataError("Datasets are given as a list.", where=where, hint=_EXAMPLE)
    datasets = tuple(
        _dataset(entry, folder, f"{where}[{index}]", split) for index, entry in enumerate(entries)
    )
    seen: set[str] = set()
    for index, dataset in enumerate(datasets):
        if dataset.name in seen:
            raise DataError(
                f"Two datasets are named {dataset.name!r}.",
                where=f"{where}[{index}]",
                hint="Give each a name of its own.",
            )
        seen.add(dataset.name)
    return datasets


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except OSError as error:
        raise DataError(
            f"The blend file cannot be read: {error.strerror}.", where=str(path)
        ) from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"The blend file is no valid JSON: {error.msg}.", where=f"{path}:{error.lineno}"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError("The blend file is no valid UTF-8.", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"The blend file is no valid JSON: {error}.", where=str(path)) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object with one key twice, of which parsers silently take the last."""
    document = dict(pairs)
    if len(document) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice!r} is given twice")
    return document


def _dataset(entry: Any, folder: Path, where: str, split: str | None) -> Dataset:
    if not isinstance(entry, dict):
        raise DataError("A dataset is an object with name, path and weight.", where=where)
    for key in entry:
        if key not in _KEYS:
            raise DataError(f"Unknown key {key!r}.", where=where, hint=did_you_mean(key, _KEYS))
    name, path = (_text(entry, key, where) for key in ("name", "path"))
    _check_name(name, where)
    _check_drawing(entry, where)
    texts = (key for key in entry if key.endswith("_field") or key in HUB_KEYS)
    return Dataset(
        name=name,
        path=_absolute(path, folder),
        weight=_weight(entry, where),
        format=_choice(entry, "format", _FORMATS, where),
        sample_by=_choice(entry, "sample_by", _SAMPLE_BY, where) or "document",
        split=_split(entry, where, split),
        rows=entry.get("rows"),
        fraction=entry.get("fraction"),
        transform=_transforms(entry, where),
        **_hub_keys_checked({key: _text(entry, key, where) for key in texts}, path, where),
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
    if not _is_number(value) or not math.isfinite(value) or value <= 0:
        raise DataError(
            f"The weight {value!r} is no positive number.",
            where=where,
            hint="Give a positive weight, or take the dataset out of the blend.",
        )
    return float(value)


def _check_drawing(entry: Mapping[str, Any], where: str) -> None:
    rows, fraction = entry.get("rows"), entry.get("fraction")
    if rows is not None and fraction is not None:
        raise DataError("'rows' and 'fraction' exclude each other.", where=where)
    if rows is not None and (not isinstance(rows, int) or isinstance(rows, bool) or rows < 1):
        raise DataError(
            f"'rows' is {rows!r}, which is no number of records.",
            where=where,
            hint="Give a whole number from 1 on.",
        )
    if fraction is not None and not (_is_number(fraction) and 0 < fraction <= 1):
        raise DataError(
            f"'fraction' is {fraction!r}, which is no share of the records.",
            where=where,
            hint="Give a number above 0, up to 1.",
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _split(entry: Mapping[str, Any], where: str, listed_in: str | None) -> str | None:
    chosen = _choice(entry, "split", SPLITS, where)
    if listed_in is not None and chosen not in {None, listed_in}:
        raise DataError(
            f"'split' is {chosen!r}, and the dataset is listed in the split {listed_in!r}.",
            where=where,
            hint="Move the entry, or leave 'split' out.",
        )
    return listed_in or chosen


def _choice(entry: Mapping[str, Any], key: str, known: tuple[str, ...], where: str) -> str | None:
    value = entry.get(key)
    if value is None or value in known:
        return value
    raise DataError(f"{key!r} is {value!r}.", where=where, hint=did_you_mean(str(value), known))


def _hub_keys_checked(texts: dict[str, str], path: str, where: str) -> dict[str, str]:
    for key in HUB_KEYS:
        if key in texts and not path.startswith(_HUB):
            raise DataError(
                f"{key!r} is for datasets on the Hugging Face Hub.",
                where=where,
                hint="Leave it out, or give a path that starts with hf://datasets/.",
            )
    return texts


def _transforms(entry: Mapping[str, Any], where: str) -> tuple[TransformSpec, ...]:
    value = entry.get("transform")
    if value is None:
        return ()
    steps = value if isinstance(value, list) else [value]
    if not steps:
        raise DataError("'transform' lists none.", where=where, hint="Leave it out.")
    return tuple(_transform(step, where) for step in steps)


def _transform(step: Any, where: str) -> TransformSpec:
    entry = {"name": step} if isinstance(step, str) else step
    name = entry.get("name") if isinstance(entry, dict) else None
    if not isinstance(name, str) or not name:
        raise DataError(
            "A transform is a name, or an object with a name and options.",
            where=f"{where}.transform",
            hint='Write "transform": "sharegpt", or {"name": "select", …}, or a list of these.',
        )
    return TransformSpec(name, {key: value for key, value in entry.items() if key != "name"})


def _absolute(path: str, folder: Path) -> str:
    if path.startswith("file://"):
        from nemo_runspec.artifacts.paths import local_path

        path = str(local_path(path))
    elif "://" in path:
        return path
    return os.path.normpath(folder.absolute() / path)
