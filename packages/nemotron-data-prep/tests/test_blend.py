from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.errors import DataError
from nemotron_data_prep.blend import read_blend

GOOD = {"name": "a", "path": "a.jsonl"}


def write(folder: Path, document: Any) -> Path:
    path = folder / "blend.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return path


def test_paths_are_relative_to_the_blend_file(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    entries = [{**GOOD, "path": "../data/a.jsonl"}, {"name": "b", "path": "s3://bucket/b/"}]
    first, second = read_blend(write(folder, {"datasets": entries}))
    assert first.path == str(tmp_path / "data" / "a.jsonl")
    assert second.path == "s3://bucket/b/"
    assert (first.weight, first.format, first.split) == (1.0, None, None)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({**GOOD, "weight": 0}, r"datasets\[0\]: The weight 0 is no positive number"),
        ({**GOOD, "weight": -1}, "The weight -1 is no positive number"),
        ({**GOOD, "weight": True}, "The weight True is no positive number"),
        ({**GOOD, "wieght": 1}, "Unknown key 'wieght'. Did you mean 'weight'?"),
        ({**GOOD, "format": "csv"}, "'format' is 'csv'"),
        ({**GOOD, "split": "validation"}, "'split' is 'validation'"),
        ({"path": "a"}, "'name' must be a text"),
        ({"name": "a"}, "'path' must be a text"),
        ({"name": "../a", "path": "a"}, "'../a' is no dataset name"),
        ({**GOOD, "text_field": 3}, "'text_field' must be a text"),
        ("a", "A dataset is an object"),
    ],
)
def test_a_malformed_entry_is_named(tmp_path: Path, entry: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_blend(write(tmp_path, {"datasets": [entry]}))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ('{"datasets": [\n  {]\n}', r"blend\.json:2: The blend file is no valid JSON"),
        ({"datasets": []}, "lists no datasets"),
        ({"data": []}, "one key, 'datasets'"),
        ([], "one key, 'datasets'"),
        ({"datasets": [GOOD, GOOD]}, "Two datasets are named 'a'"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_blend(write(tmp_path, document))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: .* No such file"):
        read_blend(tmp_path / "nowhere.json")
