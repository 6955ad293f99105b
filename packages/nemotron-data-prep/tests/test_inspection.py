from __future__ import annotations

import json
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from nemo_runspec.errors import DataError, NemotronError, UsageError
from nemotron_data_prep import (
    PrepResult,
    PretrainPrepConfig,
    RlPrepConfig,
    SftPrepConfig,
    SplitRatios,
    prepare_pretrain,
    prepare_rl,
    prepare_sft,
)
from nemotron_data_prep.inspection import Inspection, Request, inspect_data
from nemotron_data_prep.inspection.decoding import IdDecoder, pieces

Blend = Callable[..., Path]
HALVES = SplitRatios(train=0.5, valid=0.5, test=0.0)


def chat(number: int) -> dict[str, Any]:
    return {
        "messages": [
            {"role": "user", "content": f"Question {number}? " + "why " * number},
            {"role": "assistant", "content": f"größer {number}"},
        ]
    }


def prompt(number: int) -> dict[str, Any]:
    return {
        "id": f"p{number}",
        "responses_create_params": {
            "input": [{"role": "user", "content": f"What is {number}?"}],
            "temperature": 1,
        },
        "agent_ref": {"type": "responses_api_agents", "name": "exact"},
        "expected_answer": str(number),
    }


@pytest.fixture
def packs(blend: Blend, tokenizer_dir: Path, tmp_path: Path) -> Callable[..., PrepResult]:
    def prepare(**options: Any) -> PrepResult:
        defaults = {"split": HALVES, "pack_size": 128, "workers": 1}
        return prepare_sft(
            SftPrepConfig(
                blend=blend(chat=[chat(number) for number in range(20)]),
                tokenizer=tokenizer_dir,
                output_dir=tmp_path / "out",
                **{**defaults, **options},
            )
        )

    return prepare


def inspect(path: Path, **options: Any) -> Inspection:
    return inspect_data(Request(path=path, **options))


def marked(inspection: Inspection) -> list[str]:
    return [
        "".join(f"⟦{each.text}⟧" if each.trained else each.text for each in record.pieces)
        for record in inspection.records
    ]


@pytest.mark.parametrize("pack_format", ["parquet", "npy"])
def test_sequences_of_packs_are_shown_with_what_is_trained(
    pack_format: str, packs: Callable[..., PrepResult], tokenizer_dir: Path
) -> None:
    result = packs(format=pack_format)
    found = inspect(result.path, tokenizer=tokenizer_dir, records=100, limit=10_000)
    counts = result.report["splits"]["train"]
    assert found.survey.counts == {
        key: counts[key] for key in ("packs", "sequences", "tokens", "trained_tokens")
    }
    assert len(found.records) == counts["sequences"]
    assert found.split == "train"
    for text in marked(found):
        before, _, answer = text.partition("⟦")
        assert before.endswith("<|im_start|>assistant\n<think></think>")
        assert answer.startswith("größer ")
        assert answer.endswith("<|im_end|>⟧\n")
    assert sum(each.count for each in found.survey.lengths) == counts["sequences"]
    assert sum(record.tokens or 0 for record in found.records) == counts["tokens"]


def test_fill_is_measured_against_the_recorded_pack_size(
    packs: Callable[..., PrepResult],
) -> None:
    result = packs()
    path = result.path / "splits" / "valid"
    fill = inspect(path, recorded={"pack_size": 128}).survey.fill
    assert fill is not None
    assert fill.pack_size == 128
    assert fill.mean == pytest.approx(result.report["splits"]["valid"]["fill"], abs=1e-6)
    assert fill.least <= fill.median <= 1
    guessed = inspect(path).survey
    assert "the longest pack counts as full" in guessed.notes[-1]
    assert guessed.fill is not None
    assert guessed.fill.pack_size <= 128


def test_records_are_skipped_and_long_pieces_keep_their_edges(
    packs: Callable[..., PrepResult], tokenizer_dir: Path
) -> None:
    path = packs().path
    every = inspect(path, tokenizer=tokenizer_dir, records=100, limit=10_000)
    some = inspect(path, tokenizer=tokenizer_dir, records=2, skip=3, limit=10_000)
    assert some.records == every.records[3:5]
    longest = max(range(len(every.records)), key=lambda at: every.records[at].tokens or 0)
    (short,) = inspect(path, tokenizer=tokenizer_dir, records=1, skip=longest, limit=32).records
    assert sum(piece.tokens for piece in short.pieces) == every.records[longest].tokens
    assert any(piece.left_out and not piece.text for piece in short.pieces)
    (trained,) = [piece.text for piece in short.pieces if piece.trained]
    assert trained in marked(every)[longest]


def test_without_a_tokenizer_ids_are_shown(packs: Callable[..., PrepResult]) -> None:
    found = inspect(packs().path, records=1)
    assert found.tokenizer is None
    assert found.notes == ("No tokenizer is recorded with the data, so ids are shown.",)
    ids = "".join(piece.text for piece in found.records[0].pieces).split()
    assert len(ids) == found.records[0].tokens
    assert all(each.isdecimal() for each in ids)


def test_the_recorded_tokenizer_decodes_and_its_change_is_noticed(
    packs: Callable[..., PrepResult], tokenizer_dir: Path, tmp_path: Path
) -> None:
    result = packs()
    (result.path / "metadata.json").write_text(result.artifact.model_dump_json())
    path = result.path / "splits" / "train"
    found = inspect(path)
    assert (found.tokenizer, found.notes) == (str(tokenizer_dir / "tokenizer.json"), ())
    other = tmp_path / "other"
    shutil.copytree(tokenizer_dir, other)
    tokenizer = Tokenizer.from_file(str(other / "tokenizer.json"))
    tokenizer.add_tokens(["Question"])
    tokenizer.save(str(other / "tokenizer.json"))
    recorded = json.loads((result.path / "metadata.json").read_text())
    changed = inspect(path, recorded={**recorded, "tokenizer": str(other)})
    assert "has changed since the data was made" in changed.notes[0]
    gone = inspect(path, recorded={"tokenizer": str(tmp_path / "nowhere")})
    assert "is not there, so ids are shown" in gone.notes[0]


def test_a_moved_output_is_found_beside_its_blend(
    packs: Callable[..., PrepResult], tmp_path: Path
) -> None:
    path = packs().path
    moved = tmp_path / "elsewhere" / path.name
    shutil.move(path, moved)
    assert inspect(moved).files[0].startswith(str(moved))
    assert inspect(moved / "blend.json", split="valid").split == "valid"


def test_documents_are_decoded_up_to_their_end(
    blend: Blend, tokenizer_dir: Path, tmp_path: Path
) -> None:
    texts = [f"The quick brown fox {number}." for number in range(9)]
    result = prepare_pretrain(
        PretrainPrepConfig(
            blend=blend(text=[{"text": text} for text in texts]),
            tokenizer=tokenizer_dir,
            output_dir=tmp_path / "out",
            split=SplitRatios(train=1.0, valid=0.0, test=0.0),
            workers=1,
        )
    )
    found = inspect(result.path, tokenizer=tokenizer_dir, records=100)
    assert found.kind == "documents"
    assert found.survey.counts["documents"] == 9
    assert found.survey.counts["tokens"] == result.report["totals"]["tokens"]
    assert marked(found) == [f"{text}<|im_end|>" for text in texts]
    index = Path(found.files[0])
    for place in (index, index.with_suffix(".bin"), index.with_suffix("")):
        assert inspect(place, records=0).survey == found.survey


def test_prompts_are_shown_with_their_other_fields(blend: Blend, tmp_path: Path) -> None:
    result = prepare_rl(
        RlPrepConfig(
            blend=blend(prompts=[prompt(number) for number in range(30)]),
            output_dir=tmp_path / "out",
            split=HALVES,
            workers=1,
        )
    )
    found = inspect(result.path, split="valid", records=1)
    assert found.kind == "prompts"
    assert found.survey.counts["records"] == result.report["splits"]["valid"]["records"]
    assert found.survey.length_unit == "bytes"
    (record,) = found.records
    assert record.pieces[0].text.startswith("user: What is ")
    assert record.fields["responses_create_params"] == {"temperature": 1}
    assert record.fields["id"] == f"p{record.fields['expected_answer']}"


def test_the_document_is_json(packs: Callable[..., PrepResult]) -> None:
    document = inspect(packs().path, records=1).as_document()
    assert json.loads(json.dumps(document)) == document
    assert set(document) == {
        *("counts", "files", "fill", "kind", "length_unit", "lengths", "notes", "records"),
        *("split", "tokenizer"),
    }


def write_packs(path: Path, **columns: Any) -> Path:
    defaults: dict[str, Any] = {
        "input_ids": pa.array([[5, 6, 7, 8]], pa.list_(pa.int32())),
        "loss_mask": pa.array([[0, 1, 1, 0]], pa.list_(pa.int8())),
        "seq_start_id": pa.array([[0]], pa.list_(pa.int32())),
    }
    pq.write_table(pa.table({**defaults, **columns}), path)
    return path


def test_masks_that_do_not_look_shifted_or_train_nothing_are_noted(tmp_path: Path) -> None:
    masks = pa.array([[0, 0, 0, 1], [0, 0, 0, 0]], pa.list_(pa.int8()))
    ids = pa.array([[5, 6, 7, 8]] * 2, pa.list_(pa.int32()))
    starts = pa.array([[0, 2], [0]], pa.list_(pa.int32()))
    path = write_packs(tmp_path / "a.parquet", input_ids=ids, loss_mask=masks, seq_start_id=starts)
    notes = inspect(path).survey.notes
    assert "cuts off, is trained in 1 sequence: the mask" in notes[-2]
    assert "Nothing is trained in 2 sequences." in notes[-1]


class Harmful:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("harm",))


def test_an_npy_that_names_code_is_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = np.empty(1, dtype=object)
    content[0] = Harmful()
    np.save(tmp_path / "training_128.npy", content, allow_pickle=True)
    with pytest.raises(DataError, match=r"not safe to read or damaged: it names builtins\.print"):
        inspect(tmp_path / "training_128.npy")
    assert capsys.readouterr().out == ""
    (tmp_path / "training_128.npy").write_bytes(pickle.dumps([1]))
    with pytest.raises(DataError, match="The file is no NumPy array"):
        inspect(tmp_path / "training_128.npy")


@pytest.mark.parametrize(
    ("make", "options", "error", "message"),
    [
        (lambda folder: folder / "no", {}, DataError, "no such file or folder. Was it moved"),
        (lambda folder: folder, {}, DataError, r"The folder holds no packs \(\.parquet"),
        (lambda folder: folder, {"split": "test"}, UsageError, "The folder has no splits"),
        (
            lambda folder: write_packs(folder / "a.parquet"),
            {"split": "test"},
            UsageError,
            "A file has no splits",
        ),
        (
            lambda folder: write_packs(folder / "a.parquet"),
            {"tokenizer": Path("nowhere")},
            DataError,
            "There is no such tokenizer",
        ),
        (
            lambda folder: write_packs(
                folder / "a.parquet", seq_start_id=pa.array([[2, 1]], pa.list_(pa.int32()))
            ),
            {},
            DataError,
            "a.parquet: seq_start_id: The starts of a pack do not ascend from 0",
        ),
    ],
)
def test_what_cannot_be_inspected_is_named(
    make: Callable[[Path], Path],
    options: dict[str, Any],
    error: type[NemotronError],
    message: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(error, match=message):
        inspect(make(tmp_path), **options)


def test_an_unknown_split_names_the_others(packs: Callable[..., PrepResult]) -> None:
    with pytest.raises(UsageError, match=r"no split 'test' with data.*train, valid"):
        inspect(packs().path, split="test")


@pytest.mark.parametrize(
    ("line", "message"),
    [("[1]", "The record is no JSON object"), ("{", "The line is no valid JSON")],
)
def test_a_prompt_that_is_no_json_is_named_by_its_line(
    line: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "train.jsonl").write_text(f'{{"a": 1}}\n{line}\n')
    with pytest.raises(DataError, match=rf"train\.jsonl:2: {message}"):
        inspect(tmp_path)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").mkdir()
    with pytest.raises(DataError, match=r"train\.jsonl: It cannot be read: Is a directory"):
        inspect(tmp_path)


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.integers(0, 100))
def test_pieces_hold_every_token_once_and_in_order(mask: list[bool], limit: int) -> None:
    ids, trained = np.arange(len(mask)), np.array(mask)
    found = pieces(ids, trained, IdDecoder(), limit)
    assert sum(piece.tokens for piece in found) == len(mask)
    at = 0
    for piece in found:
        assert set(mask[at : at + piece.tokens]) == {piece.trained}
        shown = [int(word) for word in piece.text.split()]
        assert shown == ([] if piece.left_out else list(range(at, at + piece.tokens)))
        at += piece.tokens


def test_the_folder_above_several_outputs_names_them(tmp_path: Path) -> None:
    for age, name in enumerate(["newest", "older", ".hidden"]):
        (tmp_path / name).mkdir()
        (tmp_path / name / "receipt.json").touch()
        os.utime(tmp_path / name, (1000 - age, 1000 - age))
    (tmp_path / "tokenized" / "plan").mkdir(parents=True)
    message = r"Give one of the outputs in it, the latest first: newest, older\.$"
    with pytest.raises(DataError, match=message):
        inspect(tmp_path)
