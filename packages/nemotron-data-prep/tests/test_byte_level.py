"""Texts that share parts get the ids of the whole texts; others are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nemotron_data_prep.tokenizing.byte_level import ByteLevelEncoder, piece_sizes
from nemotron_data_prep.tokenizing.overlaps import overlap
from nemotron_data_prep.tokenizing.tokenizer import HuggingFaceEncoder

texts = st.lists(
    st.lists(
        st.sampled_from(
            [
                "<|im_start|>",
                "<|im_end|>",
                "<|im_",
                "|>",
                "<think>",
                "the",
                " ",
                "\n",
                "é",
                "日",
                "",
                "<",
            ]
        )
        | st.text(st.characters(codec="utf-8"), max_size=5),
        max_size=8,
    ).map("".join),
    max_size=6,
)


@settings(
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(texts=texts)
def test_shared_parts_are_encoded_as_in_whole_texts(texts: list[str], tokenizer_dir: Path) -> None:
    path = tokenizer_dir / "tokenizer.json"
    ids, lengths = ByteLevelEncoder(path).encode(texts)
    expected_ids, expected_lengths = HuggingFaceEncoder(path).encode(texts)
    assert ids.tolist() == expected_ids.tolist()
    assert lengths.tolist() == expected_lengths.tolist()
    sizes = piece_sizes(path)
    assert sizes is not None
    assert int(sizes[ids].sum()) == sum(len(text.encode()) for text in texts)


def edit(document: dict[str, Any], *path: str | int, value: Any) -> None:
    target: Any = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value


@pytest.mark.parametrize(
    "change",
    [
        lambda d: edit(d, "normalizer", value={"type": "NFC"}),
        lambda d: edit(d, "pre_tokenizer", value=None),
        lambda d: edit(d, "pre_tokenizer", "add_prefix_space", value=True),
        lambda d: edit(d, "model", "unk_token", value="<|endoftext|>"),
        lambda d: edit(d, "model", "end_of_word_suffix", value="</w>"),
        lambda d: d["model"]["vocab"].pop("Ġ"),
        lambda d: edit(d, "added_tokens", 0, "rstrip", value=True),
        lambda d: edit(d, "added_tokens", 0, "single_word", value=True),
    ],
)
def test_of_other_tokenizers_no_sizes_are_told(
    change: Callable[[dict[str, Any]], Any], tokenizer_dir: Path, tmp_path: Path
) -> None:
    document = json.loads((tokenizer_dir / "tokenizer.json").read_text(encoding="utf-8"))
    change(document)
    path = tmp_path / "tokenizer.json"
    merges = document["model"]["merges"]
    document["model"]["merges"] = [pair for pair in merges if "Ġ" not in "".join(pair)]
    path.write_text(json.dumps(document), encoding="utf-8")
    assert piece_sizes(path) is None


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (["<a>", "<b>", "</a>"], False),
        ([], False),
        (["<a>", "<a>b"], True),
        (["ab", "bc"], True),
        (["aa"], True),
        (["x", "<x>"], True),
    ],
)
def test_tokens_that_overlap_are_told(tokens: list[str], expected: bool) -> None:  # noqa: FBT001
    assert overlap(tokens) is expected
