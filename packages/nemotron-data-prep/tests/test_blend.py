from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.errors import DataError
from nemotron_data_prep.blend import TransformSpec, labels
from nemotron_data_prep.blend_file import read_blend

GOOD = {"name": "a", "path": "a.jsonl"}
HUB_PATH = "hf://datasets/org/name"


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
        ({**GOOD, "weight": "1"}, "The weight '1' is no positive number"),
        ({**GOOD, "weight": float("nan")}, r"datasets\[0\]: The weight nan is no positive number"),
        ({**GOOD, "weight": float("inf")}, "The weight inf is no positive number"),
        ({**GOOD, "rows": 0}, "'rows' is 0, which is no number of records"),
        ({**GOOD, "rows": 2.5}, "'rows' is 2.5, which is no number of records"),
        ({**GOOD, "rows": True}, "'rows' is True, which is no number of records"),
        ({**GOOD, "fraction": 0}, "'fraction' is 0, which is no share"),
        ({**GOOD, "fraction": 1.5}, "'fraction' is 1.5, which is no share"),
        ({**GOOD, "fraction": float("nan")}, "'fraction' is nan, which is no share"),
        ({**GOOD, "rows": 5, "fraction": 0.5}, "'rows' and 'fraction' exclude each other"),
        ({**GOOD, "revision": "main"}, "'revision' is for datasets on the Hugging Face Hub"),
        ({**GOOD, "subset": "en"}, "'subset' is for datasets on the Hugging Face Hub"),
        ({**GOOD, "source_split": "train"}, "'source_split' is for datasets on the Hugging"),
        ({"name": "a", "path": HUB_PATH, "revision": ""}, "'revision' must be a text"),
        ({**GOOD, "transform": []}, "'transform' lists none"),
        ({**GOOD, "transform": 3}, r"datasets\[0\]\.transform: A transform is a name"),
        ({**GOOD, "transform": ["sft", {"columns": []}]}, "A transform is a name, or an object"),
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
        ({"datasets": [GOOD, GOOD]}, r"datasets\[1\]: Two datasets are named 'a'"),
        ({}, "one key, 'datasets'"),
        ({"datasets": "a.jsonl"}, "Datasets are given as a list"),
        ({"datasets": [GOOD], "train": [GOOD]}, "has both 'datasets' and 'train'"),
        ({"datasets": [GOOD], "seed": 1}, "Unknown key 'seed'"),
        ({"train": []}, "The split 'train' lists no datasets"),
        ({"train": [GOOD], "test": []}, "The split 'test' lists no datasets"),
        ({"valid": [GOOD]}, "no datasets for 'train'"),
        ({"train": [GOOD], "validation": [GOOD]}, "'validation'.*Did you mean 'valid'"),
        ({"train": [GOOD, GOOD]}, r"train\[1\]: Two datasets are named 'a'"),
        ({"train": [{**GOOD, "split": "test"}]}, r"train\[0\]: 'split' is 'test', and the dataset"),
        ('{"datasets": [], "datasets": []}', "the key 'datasets' is given twice"),
        ("[" * 100_000, "no valid JSON"),
    ],
)
def test_a_malformed_file_is_named(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_blend(write(tmp_path, document))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.json: .* No such file"):
        read_blend(tmp_path / "nowhere.json")


def test_a_file_of_other_bytes_is_named(tmp_path: Path) -> None:
    path = tmp_path / "blend.json"
    path.write_bytes(b'{"datasets": [{"name": "\xff"}]}')
    with pytest.raises(DataError, match=r"blend\.json: The blend file is no valid UTF-8"):
        read_blend(path)


def test_each_split_can_have_datasets_of_its_own(tmp_path: Path) -> None:
    entry = {"name": "b", "path": "b.jsonl", "weight": 3}
    path = write(tmp_path, {"valid": [GOOD], "test": None, "train": [GOOD, entry]})
    datasets = read_blend(path)
    assert [(d.split, d.name, d.weight) for d in datasets] == [
        ("train", "a", 1.0),
        ("train", "b", 3.0),
        ("valid", "a", 1.0),
    ]
    assert labels(datasets) == ["train/a", "b", "valid/a"]


def test_what_to_draw_and_to_do_is_kept(tmp_path: Path) -> None:
    steps = ["sharegpt", {"name": "select", "columns": ["messages"]}, "my_module:mend"]
    hub = {"name": "hub", "path": HUB_PATH, "revision": "v1", "subset": "en", "rows": 7}
    entries = [{**GOOD, "fraction": 1, "transform": steps}, {**hub, "source_split": "train"}]
    first, second = read_blend(write(tmp_path, {"datasets": entries}))
    assert first.transform == (
        TransformSpec("sharegpt"),
        TransformSpec("select", {"columns": ["messages"]}),
        TransformSpec("my_module:mend"),
    )
    assert (first.fraction, first.rows) == (1, None)
    assert (second.path, second.revision, second.subset) == (HUB_PATH, "v1", "en")
    assert (second.source_split, second.rows, second.transform) == ("train", 7, ())


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    entry = {"name": "a", "path": f"file://{tmp_path}/data.jsonl"}
    (dataset,) = read_blend(write(tmp_path, {"datasets": [entry]}))
    assert dataset.path == str(tmp_path / "data.jsonl")
