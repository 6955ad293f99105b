"""``blend.json``, read by the function that Megatron-Bridge ships for ``per_split_data_args_path``.

Importing ``megatron.bridge`` itself needs a GPU library, so an empty package with the right path
stands in for its ``__init__``, and empty modules for imports that the function never touches.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import MagicMock

import pytest
from megatron.core.datasets.indexed_dataset import IndexedDataset

from nemotron_data_prep import PrepResult, PretrainPrepConfig, SplitRatios, prepare_pretrain
from nemotron_kit_megatron.loading.blends import read_blend

SAMPLE = Path(__file__).parents[2] / "recipes" / "sample"
UNTOUCHED = (
    "megatron.core.rerun_state_machine",
    "megatron.bridge.data.samplers",
    "megatron.bridge.training.config",
    "megatron.bridge.training.state",
    "megatron.bridge.training.utils.sig_utils",
    "megatron.bridge.utils.common_utils",
)


@pytest.fixture
def loaders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    found = PathFinder.find_spec("megatron", sys.path)
    assert found is not None
    spec = PathFinder.find_spec("megatron.bridge", list(found.submodule_search_locations or ()))
    assert spec is not None
    package = ModuleType("megatron.bridge")
    package.__path__ = list(spec.submodule_search_locations or ())
    monkeypatch.setitem(sys.modules, "megatron.bridge", package)
    for name in UNTOUCHED:
        monkeypatch.setitem(sys.modules, name, MagicMock())
    yield importlib.import_module("megatron.bridge.data.loaders")
    for name in [name for name in sys.modules if name.startswith("megatron.bridge.")]:
        del sys.modules[name]


def prepare(folder: Path, split: SplitRatios) -> PrepResult:
    return prepare_pretrain(
        PretrainPrepConfig(
            blend=SAMPLE / "blends" / "pretrain.json",
            tokenizer=SAMPLE / "tokenizer",
            output_dir=folder / "out",
            eod_token="<|endoftext|>",  # noqa: S106 - no password
            split=split,
        )
    )


@pytest.mark.parametrize(
    ("ratios", "filled"),
    [((0.8, 0.1, 0.1), (True, True, True)), ((1, 0, 0), (True, False, False))],
)
def test_the_blend_of_every_split_is_read_and_none_for_an_empty_one(
    ratios: tuple[float, float, float], filled: tuple[bool, ...], loaders: Any, tmp_path: Path
) -> None:
    train, valid, test = ratios
    result = prepare(tmp_path, SplitRatios(train=train, valid=valid, test=test))
    blend, per_split = loaders.get_blend_and_blend_per_split(
        per_split_data_args_path=str(result.path / "blend.json")
    )
    assert blend is None
    assert [entry is not None for entry in per_split] == list(filled)
    tokens = 0
    for prefixes, weights in filter(None, per_split):
        assert len(prefixes) == len(weights) > 1
        assert sum(weights) == pytest.approx(1.0)
        tokens += sum(len(document) for prefix in prefixes for document in IndexedDataset(prefix))
    assert tokens == result.artifact.total_tokens


@pytest.mark.parametrize("ratios", [(0.8, 0.1, 0.1), (1, 0, 0)])
def test_the_adapter_reads_a_blend_as_the_framework_does(
    ratios: tuple[float, float, float], loaders: Any, tmp_path: Path
) -> None:
    train, valid, test = ratios
    result = prepare(tmp_path, SplitRatios(train=train, valid=valid, test=test))
    file = result.path / "blend.json"
    _, per_split = loaders.get_blend_and_blend_per_split(per_split_data_args_path=str(file))
    read = [None if blend is None else (list(blend[0]), blend[1]) for blend in per_split]
    assert read_blend(file) == read
    assert read[0] is not None
    assert read[0][1] is not None
