"""Repositories are read as the Hub's own library reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from datasets import DatasetDict, load_dataset
from datasets.data_files import DataFilesDict, get_data_patterns, sanitize_patterns
from hypothesis import given, settings
from hypothesis import strategies as st

from nemotron_data_prep.sources.hub_splits import default_subset, splits_of

LAYOUTS = {
    "one file": ["data.jsonl"],
    "names of splits": ["train.jsonl", "test.jsonl", "validation.jsonl"],
    "words of splits": ["my_training_file.jsonl", "dev-1.jsonl", "eval.jsonl", "other.jsonl"],
    "words inside words": ["trains.jsonl", "contest.jsonl", "value.jsonl"],
    "folders": ["train/a.jsonl", "train/deep/b.jsonl", "test/a.jsonl", "valid/a.jsonl"],
    "folders with numbers": ["data/train_1/a.jsonl", "data/train_2/a.jsonl", "data/x-dev/a.jsonl"],
    "folders before names": ["train/test.jsonl", "b/train.jsonl"],
    "numbered": [
        *(f"data/train-0000{n}-of-00002.jsonl" for n in range(2)),
        *("data/test-00000-of-00001.jsonl", "data/random-00000-of-00001.jsonl"),
        *("data/validation-00000-of-00001-ab12.jsonl", "train.jsonl"),
    ],
    "hidden and special": [
        *("train.jsonl", ".train.jsonl", ".git/train.jsonl", "__pycache__/train.jsonl"),
        *("README.md", "dataset_infos.json", "config.json"),
    ],
    "deep": ["a/b/c/train-1.jsonl", "a/b/test.1.jsonl", "a/val 2.jsonl"],
}

DATA_FILES: dict[str, Any] = {
    "a file": "data.jsonl",
    "a pattern": "*.jsonl",
    "a deep pattern": "**/*.jsonl",
    "a folder": "train/*",
    "a list": ["train/*", "data.jsonl"],
    "splits": [
        {"split": "train", "path": "train/*.jsonl"},
        {"split": "held_out", "path": ["test/*", "data.jsonl"]},
    ],
    "letters": "[t]rain/?.jsonl",
    "hidden": ".hidden/*",
    "two of three": "train/[ab].jsonl",
}
FILES = [
    *("data.jsonl", "train/a.jsonl", "train/b.jsonl", "train/c.jsonl", "train/deep/d.jsonl"),
    *("test/a.jsonl", ".hidden/a.jsonl", "__special/a.jsonl", "README.md", "train/.x.jsonl"),
]


def make(folder: Path, paths: list[str]) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text('{"text": "x"}\n')


def theirs(patterns: dict[str, list[str]], folder: Path) -> dict[str, list[str]]:
    found = DataFilesDict.from_patterns(patterns, base_path=str(folder))
    return {
        split: sorted({str(Path(path).relative_to(folder)) for path in paths})
        for split, paths in found.items()
        if paths
    }


@pytest.mark.parametrize("layout", LAYOUTS)
def test_file_names_make_the_same_splits(tmp_path: Path, layout: str) -> None:
    paths = LAYOUTS[layout]
    make(tmp_path, paths)
    ours = splits_of("default", {}, paths, "here")
    assert ours == theirs(get_data_patterns(str(tmp_path)), tmp_path)
    assert list(ours) == list(theirs(get_data_patterns(str(tmp_path)), tmp_path))


NAMES = st.sampled_from(["train", "test", "val", "dev", "data", "eval", "x1", "training"])
JOINTS = st.sampled_from(["-", "_", ".", " ", "0", "", "x"])
STEMS = st.tuples(NAMES, JOINTS, NAMES).map("".join)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.lists(st.tuples(STEMS, STEMS), min_size=1, max_size=5, unique=True))
def test_any_file_names_make_the_same_splits(
    tmp_path_factory: pytest.TempPathFactory, stems: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("layout")
    paths = sorted({f"{parent}/{stem}.jsonl" for parent, stem in stems})
    make(folder, paths)
    ours = splits_of("default", {}, paths, "here")
    assert ours == theirs(get_data_patterns(str(folder)), folder)


@pytest.mark.parametrize("name", DATA_FILES)
def test_data_files_of_a_card_mean_the_same(tmp_path: Path, name: str) -> None:
    make(tmp_path, FILES)
    card = {"configs": [{"config_name": "only", "data_files": DATA_FILES[name]}]}
    assert default_subset(card, "here") == "only"
    ours = splits_of("only", card, FILES, "here")
    assert ours == theirs(sanitize_patterns(DATA_FILES[name]), tmp_path)


def test_a_whole_repository_loads_to_the_same_records(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    for path, text in (("en/train.jsonl", "one"), ("en/test.jsonl", "two"), ("de/x.jsonl", "drei")):
        make(repo, [path])
        (repo / path).write_text(f'{{"text": "{text}"}}\n')
    configs: list[dict[str, Any]] = [
        {"config_name": "en", "data_dir": "en", "default": True},
        {"config_name": "de", "data_files": "de/*.jsonl"},
    ]
    listed = "".join(
        f"- config_name: {config['config_name']}\n"
        + "".join(f"  {key}: {value}\n" for key, value in config.items() if key != "config_name")
        for config in configs
    )
    (repo / "README.md").write_text(f"---\nconfigs:\n{listed}---\n")
    paths = ["README.md", "en/train.jsonl", "en/test.jsonl", "de/x.jsonl"]
    for subset in (None, "en", "de"):
        loaded = load_dataset(str(repo), subset, cache_dir=str(tmp_path / "cache"))
        assert isinstance(loaded, DatasetDict)
        chosen = subset or default_subset({"configs": configs}, "here")
        assert chosen is not None
        ours = splits_of(chosen, {"configs": configs}, paths, "here")
        assert {split: len(files) for split, files in ours.items()} == {
            split: len(rows) for split, rows in loaded.items()
        }
