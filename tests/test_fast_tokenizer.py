"""The fast tokenizer library itself: what it writes, and what keeps it out."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import awkward as ak
import gigatoken
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, pre_tokenizers

from nemo_runspec.errors import ConfigError
from nemotron_data_prep import PrepResult, PretrainPrepConfig, prepare_pretrain
from nemotron_data_prep.tokenizer import HuggingFaceEncoder
from nemotron_data_prep.tokenizing.backend import choose_backend
from nemotron_data_prep.tokenizing.gigatoken import FastEncoder, UnusableError, refusal
from nemotron_data_prep.tokenizing.parity import Specimen, first_difference

SAMPLE = Path(__file__).parents[1] / "recipes" / "sample"
UNSUPPORTED = SAMPLE / "tokenizer" / "tokenizer.json"
Prepare = Callable[..., PrepResult]

pieces = st.one_of(
    st.text(max_size=20),
    st.sampled_from([" ", "  ", "\n", "\r\n", "\t", "'ll", "019", "é", "e\u0301", "漢字", "\x00"]),
    st.sampled_from(["<|im_end|>", "<think>", "<|im_", "\u200d", "👩\u200d👧", "\ufeff"]),
)
hostile_text = st.lists(pieces, max_size=12).map("".join)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's tokenizer with a pre-tokenizer that the library knows."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    known = Tokenizer.from_file(str(UNSUPPORTED))
    known.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    known.save(str(path))
    return path


@pytest.fixture
def prepare(tokenizer: Path) -> Callable[..., PrepResult]:
    def run(output: Path, **options: Any) -> PrepResult:
        return prepare_pretrain(
            PretrainPrepConfig(
                blend=SAMPLE / "blends" / "pretrain.json",
                output_dir=output,
                **{"tokenizer": tokenizer, **DEFAULTS, **options},
            )
        )

    return run


DEFAULTS: dict[str, Any] = {
    "eod_token": "<|endoftext|>",
    "workers": 1,
    "shard_size_bytes": 100_000,
}


def written(result: PrepResult) -> dict[str, bytes]:
    folder = result.path / "splits"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_both_backends_write_the_same_bytes_and_say_who_wrote_them(
    tmp_path: Path, prepare: Prepare
) -> None:
    fast = prepare(tmp_path / "fast")
    slow = prepare(tmp_path / "slow", tokenizer_backend="hf")
    assert written(fast) == written(slow) != {}
    assert fast.report["totals"] == slow.report["totals"]
    (used,) = fast.report["tokenizer_backends"]
    assert used["name"] == "fast"
    assert used["compared"] > 60
    assert fast.artifact.metadata["tokenizer_backends"] == [f"gigatoken {_version('gigatoken')}"]
    assert slow.artifact.metadata["tokenizer_backends"] == [f"tokenizers {_version('tokenizers')}"]


def test_workers_change_nothing_but_speed(tmp_path: Path, prepare: Prepare) -> None:
    alone, together = (prepare(tmp_path / f"{count}", workers=count) for count in (1, 2))
    assert written(alone) == written(together)
    assert alone.report == together.report


def test_who_goes_without_the_fast_backend_is_not_answered_from_its_cache(
    tmp_path: Path, prepare: Prepare
) -> None:
    fast = prepare(tmp_path)
    slow = prepare(tmp_path, tokenizer_backend="hf")
    assert not slow.cache_hit
    assert slow.report["tokenizer_backends"][0]["name"] == "hf"
    assert prepare(tmp_path, tokenizer_backend="fast").path == fast.path


@given(texts=st.lists(hostile_text, max_size=8))
@settings(max_examples=200, deadline=None)
def test_any_text_has_the_same_ids_in_both_backends(texts: list[str], tokenizer: Path) -> None:
    specimens = [Specimen(text, partial(repr, text)) for text in texts]
    right, fast = HuggingFaceEncoder(tokenizer), FastEncoder(tokenizer)
    assert first_difference(right, fast, specimens) is None


@given(
    lines=st.lists(
        st.one_of(
            hostile_text.map(lambda text: json.dumps({"text": text}).encode()),
            hostile_text.map(lambda text: json.dumps({"text": text}, ensure_ascii=False).encode()),
            st.sampled_from([b'{"text": "\\ud800"}', b'{"text": "\xff"}', b'{"text": 3}', b"{"]),
            st.sampled_from([b'{"text": "\\udc00 low"}', b'{"text": "\xed\xa0\x80"}', b"[]"]),
        ),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=25, deadline=None)
def test_bad_unicode_is_counted_alike_whoever_tokenizes(
    lines: list[bytes], tokenizer: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    content = b"\n".join(line.replace(b"\n", b" ") for line in [b'{"text": "fine"}', *lines])
    (folder / "docs.jsonl").write_bytes(content)
    entry = {"name": "docs", "path": "docs.jsonl", "split": "train"}
    (folder / "blend.json").write_text(json.dumps({"datasets": [entry]}))
    options: dict[str, Any] = {"blend": folder / "blend.json", "on_invalid": "skip", **DEFAULTS}
    options["tokenizer"] = tokenizer
    fast, slow = (
        prepare_pretrain(
            PretrainPrepConfig(output_dir=folder / name, tokenizer_backend=name, **options)
        )
        for name in ("fast", "hf")
    )
    assert written(fast) == written(slow)
    assert fast.report["files"] == slow.report["files"]
    assert fast.report["examples"] == slow.report["examples"]


def wrong_library(text: str, at: int) -> SimpleNamespace:
    """The library, but for one id of one document."""

    class Wrong:
        def __init__(self, right: Any) -> None:
            self._right = right

        @classmethod
        def from_json(cls, document: bytes) -> Wrong:
            return cls(gigatoken.Tokenizer.from_json(document))

        def encode_batch(self, texts: Sequence[str], **options: Any) -> ak.Array:
            rows = self._right.encode_batch(texts, **options).to_list()
            for index, given_text in enumerate(texts):
                if given_text == text:
                    rows[index][at] += 1
            return ak.values_astype(ak.Array(rows), np.uint32)

    return SimpleNamespace(Tokenizer=Wrong)


def test_a_backend_that_is_wrong_on_one_id_of_one_document_does_not_run(
    tmp_path: Path,
    tokenizer: Path,
    prepare: Prepare,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    right = prepare(tmp_path / "right", tokenizer_backend="hf")
    last = _documents_of_the_story()[-1]
    changed = tmp_path / "tokenizer.json"
    changed.write_bytes(
        tokenizer.read_bytes() + b"\n"
    )  # other bytes: the library's tokenizers are cached
    monkeypatch.setitem(sys.modules, "gigatoken", wrong_library(last, at=7))
    monkeypatch.setattr("nemotron_data_prep.tokenizing.gigatoken.is_installed", lambda: True)
    with caplog.at_level(logging.WARNING):
        result = prepare(tmp_path / "seeded", tokenizer=changed)
    (used,) = result.report["tokenizer_backends"]
    assert used["name"] == "hf"
    assert "token 7 of" in used["reason"]
    assert "stories.parquet: row 192" in used["reason"]
    assert used["reason"] in caplog.text
    assert written(result) == written(right)
    with pytest.raises(ConfigError, match=r"tokenizer_backend: .* token 7 of"):
        prepare(tmp_path / "strict", tokenizer=changed, tokenizer_backend="fast")


def _documents_of_the_story() -> list[str]:
    import pyarrow.parquet as pq

    texts: list[str] = pq.read_table(SAMPLE / "pretrain" / "stories.parquet")["text"].to_pylist()
    return texts


def test_truncation_and_padding_are_off_in_both(tmp_path: Path, tokenizer: Path) -> None:
    path = tmp_path / "tokenizer.json"
    cutting = Tokenizer.from_file(str(tokenizer))
    cutting.enable_truncation(3)
    cutting.enable_padding(length=30)
    cutting.save(str(path))
    ids, lengths = FastEncoder(path).encode(["a long text that is longer than that"])
    assert 3 < len(ids) == lengths.sum() < 30
    assert choose_backend("fast", path, list).name == "fast"


def test_a_tokenizer_that_the_library_cannot_load_is_left_to_hugging_face(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        backend = choose_backend("auto", UNSUPPORTED, list)
    assert backend.name == "hf"
    assert backend.reason is not None
    assert backend.reason in caplog.text


@pytest.mark.parametrize("options", [{"lstrip": True}, {"rstrip": True}, {"normalized": True}])
def test_added_tokens_of_any_kind_agree_or_are_left_to_hugging_face(
    tmp_path: Path, tokenizer: Path, options: dict[str, bool]
) -> None:
    path = with_token(tokenizer, tmp_path, AddedToken("<extra>", **options))
    backend = choose_backend("auto", path, list)
    specimens = [Specimen("a <extra> b  <extra>\n<extra>c", str)]
    assert first_difference(HuggingFaceEncoder(path), backend.encoder(path), specimens) is None


def test_a_token_for_whole_words_is_refused_before_any_comparison(
    tmp_path: Path, tokenizer: Path
) -> None:
    path = with_token(tokenizer, tmp_path, AddedToken("extra", single_word=True))
    assert "single_word" in str(refusal(path))
    assert choose_backend("auto", path, list).name == "hf"


def test_a_failure_of_the_library_has_one_type(tokenizer: Path) -> None:
    with pytest.raises(UnusableError, match="gigatoken fails on a text"):
        FastEncoder(tokenizer).encode(["\ud800"])


def with_token(tokenizer: Path, folder: Path, token: AddedToken) -> Path:
    path = folder / "tokenizer.json"
    longer = Tokenizer.from_file(str(tokenizer))
    longer.add_tokens([token])
    longer.save(str(path))
    return path


def _version(distribution: str) -> str:
    from importlib.metadata import version

    return version(distribution)
