"""The fast tokenizer library itself: what it writes, and what keeps it out."""

from __future__ import annotations

import json
import logging
import os
import subprocess
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
from numpy.typing import NDArray
from tokenizers import AddedToken, Tokenizer, normalizers, pre_tokenizers

from nemo_runspec.errors import ConfigError
from nemotron_data_prep import (
    PrepResult,
    PretrainPrepConfig,
    SftPrepConfig,
    prepare_pretrain,
    prepare_sft,
)
from nemotron_data_prep.chat.messages import RejectedError, read_conversation
from nemotron_data_prep.chat.sequences import SequenceMaker, TrainingText
from nemotron_data_prep.chat.template import ChatTemplate
from nemotron_data_prep.chat.template_choice import template_source
from nemotron_data_prep.sft.masks import Masked, OffsetMasker, make_masker
from nemotron_data_prep.tokenizing.backend import Backend, choose_backend
from nemotron_data_prep.tokenizing.gigatoken import (
    FastEncoder,
    TextByTextEncoder,
    UnusableError,
    offsets_refusal,
    refusal,
)
from nemotron_data_prep.tokenizing.parity import Specimen, first_difference
from nemotron_data_prep.tokenizing.tokenizer import HuggingFaceEncoder

SAMPLE = Path(__file__).parents[1] / "recipes" / "sample"
SAMPLE_TOKENIZER = SAMPLE / "tokenizer" / "tokenizer.json"
Prepare = Callable[..., PrepResult]

pieces = st.one_of(
    st.text(max_size=20),
    st.sampled_from([" ", "  ", "\n", "\r\n", "\t", "'ll", "019", "é", "e\u0301", "漢字", "\x00"]),
    st.sampled_from(["<|im_end|>", "<think>", "<|im_", "\u200d", "👩\u200d👧", "\ufeff"]),
)
hostile_text = st.lists(pieces, max_size=12).map("".join)
ENCODERS = (FastEncoder, TextByTextEncoder)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's tokenizer with a pre-tokenizer that the library knows."""
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    known = Tokenizer.from_file(str(SAMPLE_TOKENIZER))
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


@pytest.mark.parametrize("encoder", ENCODERS)
@given(texts=st.lists(hostile_text, max_size=8))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_text_has_the_same_ids_in_both_backends(
    encoder: type[FastEncoder], texts: list[str], tokenizer: Path
) -> None:
    specimens = [Specimen(text, partial(repr, text)) for text in texts]
    right, fast = HuggingFaceEncoder(tokenizer), encoder(tokenizer)
    assert first_difference(right, fast, specimens) is None


@pytest.mark.parametrize("encoder", ENCODERS)
def test_no_texts_and_empty_ones_are_no_special_case(
    encoder: type[FastEncoder], tokenizer: Path
) -> None:
    fast = encoder(tokenizer)
    for texts in ([], [""], ["", "text", ""]):
        ids, lengths = fast.encode(texts)
        assert (ids.dtype, lengths.dtype) == (np.int32, np.int32)
        assert [length > 0 for length in lengths.tolist()] == [text != "" for text in texts]
        assert len(ids) == lengths.sum()


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
@settings(max_examples=25, deadline=None, derandomize=True)
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


@given(data=st.data(), text=hostile_text)
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_span_is_masked_alike(data: st.DataObject, text: str, tokenizer: Path) -> None:
    edge = st.integers(0, len(text))
    edges = sorted(data.draw(st.sets(edge, max_size=6).filter(lambda found: len(found) % 2 == 0)))
    spans = tuple(zip(edges[::2], edges[1::2], strict=True))
    others = [TrainingText("A<|im_end|>B", ((0, 11),)), TrainingText("é<think>", ((1, 8),))]
    same_masks(tokenizer, [others[0], TrainingText(text or "-", spans), others[1]])


@given(
    turns=st.lists(st.tuples(hostile_text, hostile_text, st.none() | hostile_text), max_size=4),
    system=st.none() | hostile_text,
)
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_conversation_is_masked_alike(
    turns: list[tuple[str, str, str | None]], system: str | None, tokenizer: Path
) -> None:
    messages: list[dict[str, Any]] = []
    if system is not None:
        messages.append({"role": "system", "content": system})
    for question, answer, reasoning in turns:
        messages.append({"role": "user", "content": question})
        messages.append(
            {"role": "assistant", "content": answer, "reasoning_content": reasoning or ""}
        )
    same_masks(tokenizer, rendered({"messages": messages}))


def test_the_sample_conversations_are_masked_alike(tokenizer: Path) -> None:
    lines = (SAMPLE / "sft" / "chat.jsonl").read_bytes().splitlines()
    records = [json.loads(line) for line in lines]
    texts = [text for record in records for text in rendered(record)]
    assert len(texts) > 300
    same_masks(tokenizer, texts)


def test_both_backends_write_the_same_packs(tokenizer: Path, tmp_path: Path) -> None:
    fast, slow = (
        pack(tmp_path / name, tokenizer, tokenizer_backend=name) for name in ("fast", "hf")
    )
    assert written(fast) == written(slow) != {}
    assert fast.report["totals"] == slow.report["totals"]
    assert fast.report["tokenizer_backends"][0]["compared"] > 60
    assert [
        backend["name"]
        for result in (fast, slow)
        for backend in result.report["tokenizer_backends"]
    ] == ["fast", "hf"]


def pack(output: Path, tokenizer: Path, **options: Any) -> PrepResult:
    return prepare_sft(
        SftPrepConfig(
            blend=SAMPLE / "blends" / "sft.json",
            output_dir=output,
            tokenizer=tokenizer,
            chat_template="nano3",
            workers=1,
            **options,
        )
    )


def test_conversations_wait_for_nothing_that_is_not_used(tokenizer: Path, tmp_path: Path) -> None:
    # Arrow looks whether pandas is there, and loads it, when it is given a NumPy array.
    (tmp_path / "pandas.py").write_text("__version__ = '2.2.0'\n")
    program = f"""
import sys
from pathlib import Path
from nemotron_data_prep import SftPrepConfig, prepare_sft
result = prepare_sft(SftPrepConfig(
    blend=Path({str(SAMPLE / "blends" / "sft.json")!r}), output_dir=Path("output"),
    tokenizer=Path({str(tokenizer)!r}), tokenizer_backend="fast", chat_template="nano3", workers=1,
))
print(result.report["tokenizer_backends"][0]["name"], *{{"awkward", "pandas"}} & set(sys.modules))
"""
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.returncode) == ("fast\n", 0), done.stderr


def rendered(record: dict[str, Any]) -> list[TrainingText]:
    template = ChatTemplate(template_source("nano3", {}, SAMPLE), {}, None)
    maker = SequenceMaker(template, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], None)
    try:
        return maker.make(read_conversation(record, "messages", "tools")).texts
    except RejectedError:
        return []


def same_masks(tokenizer: Path, texts: list[TrainingText]) -> None:
    slow = OffsetMasker(tokenizer).mask(texts)
    for backend in (Backend("fast", ""), Backend("hf", "")):
        found = make_masker(backend, tokenizer).mask(texts)
        assert found.ids.tolist() == slow.ids.tolist()
        assert found.trained.tolist() == slow.trained.tolist()
        assert found.lengths.tolist() == slow.lengths.tolist()
        assert reasons(found) == reasons(slow)


def reasons(masked: Masked) -> dict[int, tuple[str, str]]:
    return {index: (error.reason, error.detail) for index, error in masked.rejected.items()}


def test_a_tokenizer_that_normalizes_is_left_to_hugging_face_for_masks(
    tokenizer: Path, tmp_path: Path
) -> None:
    normalizing = Tokenizer.from_file(str(tokenizer))
    normalizing.normalizer = normalizers.NFC()
    normalizing.save(str(tmp_path / "tokenizer.json"))
    assert "normalizes text" in str(offsets_refusal(tmp_path / "tokenizer.json"))
    assert offsets_refusal(tokenizer) is None


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

        def encode(self, given_text: str) -> NDArray[np.uint32]:
            ids: NDArray[np.uint32] = self._right.encode(given_text).copy()
            if given_text == text:
                ids[at] += 1
            return ids

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


def test_a_backend_that_is_wrong_on_one_id_of_one_conversation_does_not_run(
    tmp_path: Path, tokenizer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = pack(tmp_path / "right", tokenizer, tokenizer_backend="hf")
    first, *_ = (SAMPLE / "sft" / "chat.jsonl").read_bytes().splitlines()
    text = rendered(json.loads(first))[0].text
    changed = tmp_path / "tokenizer.json"
    changed.write_bytes(tokenizer.read_bytes() + b" ")  # not what is cached of the test before
    monkeypatch.setitem(sys.modules, "gigatoken", wrong_library(text, at=7))
    monkeypatch.setattr("nemotron_data_prep.tokenizing.gigatoken.is_installed", lambda: True)
    result = pack(tmp_path / "seeded", changed)
    (used,) = result.report["tokenizer_backends"]
    assert used["name"] == "hf"
    assert "token 7 of" in used["reason"]
    assert "chat.jsonl:1" in used["reason"]
    assert written(result) == written(right)
    with pytest.raises(ConfigError, match=r"tokenizer_backend: .* token 7 of"):
        pack(tmp_path / "strict", changed, tokenizer_backend="fast")


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
    tokenizer: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = Tokenizer.from_file(str(tokenizer))
    unknown.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    unknown.save(str(tmp_path / "tokenizer.json"))
    with caplog.at_level(logging.WARNING):
        backend = choose_backend("auto", tmp_path / "tokenizer.json", list)
    assert backend.name == "hf"
    assert backend.reason is not None
    assert backend.reason.startswith("gigatoken cannot load the tokenizer: Unsupported")
    assert backend.reason in caplog.text
    with pytest.raises(ConfigError, match="gigatoken cannot load the tokenizer: Unsupported"):
        choose_backend("fast", tmp_path / "tokenizer.json", list)


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


@pytest.mark.parametrize("encoder", ENCODERS)
def test_a_failure_of_the_library_has_one_type(encoder: type[FastEncoder], tokenizer: Path) -> None:
    with pytest.raises(UnusableError, match="gigatoken fails on a text"):
        encoder(tokenizer).encode(["\ud800"])


def with_token(tokenizer: Path, folder: Path, token: AddedToken) -> Path:
    path = folder / "tokenizer.json"
    longer = Tokenizer.from_file(str(tokenizer))
    longer.add_tokens([token])
    longer.save(str(path))
    return path


def _version(distribution: str) -> str:
    from importlib.metadata import version

    return version(distribution)
