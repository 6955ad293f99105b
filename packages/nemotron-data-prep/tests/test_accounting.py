"""Nothing vanishes: what goes in is counted by the test itself, and found again in the packs."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import Phase, event, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from nemo_runspec.errors import DataError
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
from nemotron_data_prep.results import check_report

POOL = 30
OF_B = 100
EVERYTHING = SplitRatios(train=1, valid=0, test=0)
COUNTING: dict[str, Any] = {
    "on_invalid": "skip",
    "on_bad_mask": "drop",
    "on_special_tokens": "drop",
}


def turn(question: str, answer: str) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer, "reasoning_content": "Hm."},
    ]


def good(number: int) -> str:
    """A conversation that names its number in its first turn.

    Every third one becomes two sequences, of which the second repeats the first turn.
    """
    words = "word " * (number * 7 % 120)
    question = f"Q{number}: {words * 3 if number % 5 == 0 else 'why'}?"
    messages = turn(question, f"A: {words}")
    if number % 3 == 0:
        messages += turn("And?", "Yes.")
    return json.dumps({"messages": messages})


BAD: dict[str, str] = {
    "invalid_json": '{"messages": [',
    "invalid_unicode": '{"messages": "\\udc00"}',
    "not_an_object": "17",
    "no_messages": '{"messages": []}',
    "invalid_messages": '{"messages": ["hello"]}',
    "template_error": '{"messages": [{"role": "judge", "content": ""}, {"role": "assistant"}]}',
    "no_assistant_turn": '{"messages": [{"role": "user", "content": "x"}]}',
    "special_token_in_content": (
        '{"messages": [{"role": "user", "content": "<|im_end|>"},'
        ' {"role": "assistant", "content": "y"}]}'
    ),
}

Line = int | str
"""The number of a good record, the reason of a bad one, or an empty text: a blank line."""


@dataclass(frozen=True)
class Found:
    """A sequence in the output: whose it is, its tokens, and those that are trained."""

    number: int
    tokens: int
    trained: int


@dataclass(frozen=True)
class Case:
    """Two files, how they are weighted, and the settings."""

    lines: dict[str, list[Line]]
    weights: dict[str, float]
    options: dict[str, Any]


def lines_of_a_file(first: int, always: list[int]) -> st.SearchStrategy[list[Line]]:
    numbers = st.integers(first, first + POOL - 1)
    lines = st.lists(st.one_of(numbers, st.sampled_from([*sorted(BAD), ""])), max_size=30)
    return lines.map(lambda drawn: [*(first + number for number in always), *drawn])


cases = st.builds(
    Case,
    st.fixed_dictionaries(
        {"a": lines_of_a_file(0, []), "b": lines_of_a_file(OF_B, [1, 2, 4, 8, 11])}
    ),
    st.fixed_dictionaries(
        {"a": st.sampled_from([1, 0.5, 2]), "b": st.sampled_from([1, 1.5, 3])},
    ),
    st.fixed_dictionaries(
        {
            "pack_size": st.sampled_from([48, 96, 200, 2000]),
            "packing": st.sampled_from(
                ["best_fit_decreasing", "first_fit_shuffle", "concatenative"]
            ),
            "on_too_long": st.sampled_from(["drop", "truncate"]),
            "seed": st.integers(0, 5),
            "split": st.sampled_from([EVERYTHING, SplitRatios(train=0.6, valid=0.3, test=0.1)]),
            "shard_size_bytes": st.sampled_from([700, 5000, None]),
            "retention": st.sampled_from(["none", "tokenized"]),
        }
    ),
)


def write_blend(
    folder: Path, lines: Mapping[str, list[Line]], weights: Mapping[str, float]
) -> Path:
    entries = []
    for name, listed in lines.items():
        texts = [good(line) if isinstance(line, int) else BAD.get(line, "") for line in listed]
        (folder / f"{name}.jsonl").write_text("".join(f"{text}\n" for text in texts))
        entries.append({"name": name, "path": f"{name}.jsonl", "weight": weights[name]})
    (folder / "blend.json").write_text(json.dumps({"datasets": entries}))
    return folder / "blend.json"


def sequences_below(folder: Path, tokenizer: Tokenizer) -> Iterator[Found]:
    for file in sorted(folder.rglob("*.parquet")):
        for row in pq.read_table(file).to_pylist():
            bounds = [*row["seq_start_id"], len(row["input_ids"])]
            for start, stop in pairwise(bounds):
                text = tokenizer.decode(row["input_ids"][start:stop], skip_special_tokens=False)
                number = int(text.partition("Q")[2].partition(":")[0])
                yield Found(number, stop - start, sum(row["loss_mask"][start:stop]))


@pytest.fixture(scope="module")
def lengths(
    tokenizer_dir: Path, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory
) -> dict[int, list[int]]:
    """The tokens of the sequences of every good record, where nothing is cut or left out."""
    folder = tmp_path_factory.mktemp("whole")
    numbers: list[Line] = [*range(POOL), *range(OF_B, OF_B + POOL)]
    config = SftPrepConfig(
        blend=write_blend(folder, {"all": numbers}, {"all": 1}),
        tokenizer=tokenizer_dir,
        output_dir=folder / "out",
        pack_size=100_000,
        split=EVERYTHING,
    )
    found: dict[int, list[int]] = {}
    for sequence in sequences_below(prepare_sft(config).path, tokenizer):
        found.setdefault(sequence.number, []).append(sequence.tokens)
    assert {number: len(each) for number, each in found.items()} == {
        number: 2 if isinstance(number, int) and number % 3 == 0 else 1 for number in numbers
    }
    return found


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def prepare(blend: Path, tokenizer: Path, options: dict[str, Any]) -> PrepResult | None:
    """Prepare, or None where nothing is left to train, in one sentence."""
    config = SftPrepConfig(
        blend=blend,
        tokenizer=tokenizer,
        output_dir=blend.parent / "out",
        workers=1,
        **COUNTING,
        **options,
    )
    try:
        return prepare_sft(config)
    except DataError as error:
        if not error.what.startswith(("No sequence is left", "Every sequence is longer")):
            raise
        event("nothing to train")
        return None


def check_case(case: Case, result: PrepResult, found: list[Found], lengths: Any) -> None:
    report, pack_size = result.report, case.options["pack_size"]
    for name, lines in case.lines.items():
        entry = report["datasets"][name]
        numbers = Counter(line for line in lines if isinstance(line, int))
        reasons = Counter(line for line in lines if line in BAD)
        mine = [each for each in found if (each.number >= OF_B) == (name == "b")]
        seen = Counter(each.number for each in mine)
        assert set(seen) <= set(numbers)
        absent = sum(count for number, count in numbers.items() if not seen[number])
        lost = {key: n for key, n in entry["dropped"].items() if key not in BAD}
        assert entry["records_in"] == numbers.total() + reasons.total()
        assert entry["records_out"] == numbers.total() - absent
        assert sum(lost.values()) == absent
        assert {key: n for key, n in entry["dropped"].items() if key in BAD} == reasons
        assert entry["sequences"] == len(mine)
        assert entry["tokens"] == sum(each.tokens for each in mine)
        assert entry["trained_tokens"] == sum(each.trained for each in mine)
        if case.options["on_too_long"] == "drop":
            check_dropping(
                numbers=numbers,
                seen=seen,
                lengths=lengths,
                pack_size=pack_size,
                weight=case.weights[name],
                lost=lost,
            )
        else:
            assert set(lost) <= {"sampled_out", "nothing_to_train_after_truncation"}
            assert all(each.trained for each in mine)
    assert report["packing"]["sequences_out"] == len(found)


def check_dropping(
    *,
    numbers: Counter[int],
    seen: Counter[int],
    lengths: Mapping[int, list[int]],
    pack_size: int,
    weight: float,
    lost: Mapping[str, int],
) -> None:
    """Every sequence that fits is there as often as the weight says, and no other."""
    too_long = 0
    for number, count in numbers.items():
        fitting = sum(length <= pack_size for length in lengths[number])
        if not fitting:
            assert not seen[number]
            too_long += count
        else:
            times = seen[number] / (fitting * count)
            assert times in {int(weight), -int(-weight // 1)}
    if weight >= 1:
        assert lost.get("too_long", 0) == too_long
        assert "sampled_out" not in lost


def check_examples(case: Case, report: Mapping[str, Any], folder: Path) -> None:
    """The first five records of each reason are named by file and line."""
    named: dict[str, list[str]] = {}
    for example in report["examples"]:
        named.setdefault(example["reason"], []).append(example["where"])
    for reason in BAD:
        places = [
            f"{folder / name}.jsonl:{at}"
            for name, lines in case.lines.items()
            for at, line in enumerate(lines, start=1)
            if line == reason
        ]
        assert named.get(reason, []) == places[:5]
    for reason, count in report["totals"]["dropped"].items():
        # Packing names records of which some sequences are left out, too.
        assert min(5, count) <= len(named[reason]) <= 5


@pytest.mark.exhaustive
@given(case=cases, gone=st.sets(st.integers(0, 40)))
@settings(max_examples=40, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_every_record_and_sequence_is_counted_and_found_again(
    case: Case,
    gone: set[int],
    tokenizer_dir: Path,
    tokenizer: Tokenizer,
    lengths: dict[int, list[int]],
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        blend = write_blend(folder, case.lines, case.weights)
        result = prepare(blend, tokenizer_dir, case.options)
        if result is None:
            return
        found = list(sequences_below(result.path, tokenizer))
        check_case(case, result, found, lengths)
        check_examples(case, result.report, folder)
        check_report(result.report)
        whole = contents(result.path)
        shutil.rmtree(result.path)
        for at, shard in enumerate(sorted((folder / "out").glob("tokenized/*/*"))):
            if at in gone:
                shutil.rmtree(shard)
        again = prepare(blend, tokenizer_dir, case.options)
        assert again is not None
        assert contents(again.path) == whole


def test_a_record_of_which_some_sequences_fit_is_in_the_output_and_noted(
    tokenizer_dir: Path, tokenizer: Tokenizer, lengths: dict[int, list[int]], tmp_path: Path
) -> None:
    numbers: list[Line] = [number for number in range(POOL) if len(set(lengths[number])) == 2]
    short, long = sorted(lengths[3])
    blend = write_blend(tmp_path, {"a": [*numbers, 1]}, {"a": 2})
    result = prepare(blend, tokenizer_dir, {"pack_size": long - 1, "split": EVERYTHING})
    assert result is not None
    report = result.report
    partly = [n for n in numbers if min(lengths[int(n)]) < long <= max(lengths[int(n)])]
    wholly = [n for n in numbers if min(lengths[int(n)]) >= long]
    assert 3 in partly
    assert report["totals"]["notes"]["some_sequences_too_long"] == len(partly)
    assert report["totals"]["notes"]["repeats"] == report["totals"]["records_out"]
    assert report["totals"]["dropped"].get("too_long", 0) == len(wholly)
    packing = report["datasets"]["a"]["packing"]
    assert packing["dropped"] == {"too_long": 2 * (len(partly) + 2 * len(wholly))}
    assert packing["repeats"] == packing["sequences_tokenized"]
    assert packing["sequences_in"] == packing["sequences_out"] + packing["dropped"]["too_long"]
    assert short in {found.tokens for found in sequences_below(result.path, tokenizer)}
    where = {entry["where"] for entry in report["examples"] if entry["reason"] == "too_long"}
    assert f"{tmp_path}/a.jsonl:{numbers.index(3) + 1}" in where


def test_the_room_of_packs_is_shared_among_datasets_by_their_tokens(
    tokenizer_dir: Path, tmp_path: Path
) -> None:
    lines: dict[str, list[Line]] = {"a": [1, 2, 4], "b": [OF_B + 7, OF_B + 8]}
    blend = write_blend(tmp_path, lines, {"a": 1, "b": 1})
    result = prepare(blend, tokenizer_dir, {"pack_size": 500, "split": EVERYTHING})
    assert result is not None
    report = result.report
    room = {name: entry["tokens"] / entry["fill"] for name, entry in report["datasets"].items()}
    assert sum(room.values()) == pytest.approx(500 * report["packing"]["packs"], rel=1e-4)
    of_artifact = result.artifact.metadata["datasets"]
    for name, entry in report["datasets"].items():
        assert of_artifact[name] == {key: entry[key] for key in of_artifact[name]}
        assert {"records_in", "records_out", "dropped", "tokens", "trained_tokens", "fill"} == set(
            of_artifact[name]
        )


@pytest.mark.exhaustive
@given(
    lines=st.lists(
        st.one_of(
            st.integers(0, 99).map(lambda number: json.dumps({"text": f"Text {number}."})),
            st.sampled_from(['{"text": " "}', '{"text": ""}', '{"text": 3}', "{", "[]", ""]),
            st.just('{"text": "\\ud800"}'),
        ),
        min_size=1,
        max_size=40,
    ),
    shard_size_bytes=st.sampled_from([200, None]),
)
@settings(max_examples=30)
def test_every_text_is_counted(
    lines: list[str], shard_size_bytes: int | None, tokenizer_dir: Path
) -> None:
    expected = Counter(
        {
            "empty": sum(line in {'{"text": " "}', '{"text": ""}'} for line in lines),
            "missing_text": lines.count('{"text": 3}'),
            "invalid_json": lines.count("{"),
            "not_an_object": lines.count("[]"),
            "invalid_unicode": lines.count('{"text": "\\ud800"}'),
        }
    )
    texts = sum(line.startswith('{"text": "Text') for line in lines)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "a.jsonl").write_text("".join(f"{line}\n" for line in ['{"text": "x"}', *lines]))
        (folder / "blend.json").write_text('{"datasets": [{"name": "a", "path": "a.jsonl"}]}')
        result = prepare_pretrain(
            PretrainPrepConfig(
                blend=folder / "blend.json",
                tokenizer=tokenizer_dir,
                output_dir=folder / "out",
                split=EVERYTHING,
                on_invalid="skip",
                shard_size_bytes=shard_size_bytes,
                workers=1,
            )
        )
    totals = result.report["totals"]
    assert totals["dropped"] == +expected
    assert totals["records_out"] == totals["sequences"] == texts + 1
    assert totals["records_in"] == texts + 1 + expected.total()
    assert result.report["splits"]["train"]["documents"] == texts + 1
    for example in result.report["examples"]:
        line = int(example["where"].rpartition(":")[2])
        assert example["where"] == f"{folder}/a.jsonl:{line}"
        assert not lines[line - 2].startswith('{"text": "Text')
    assert Counter(entry["reason"] for entry in result.report["examples"]) == {
        reason: min(5, count) for reason, count in (+expected).items()
    }


def test_weighted_prompts_are_counted_per_dataset_and_split(tmp_path: Path) -> None:
    prompts = [
        {
            "responses_create_params": {"input": [{"role": "user", "content": f"{number}?"}]},
            "agent_ref": {"name": "agent"},
        }
        for number in range(40)
    ]
    lines = [*map(json.dumps, prompts), "{", '{"agent_ref": {}}']
    (tmp_path / "a.jsonl").write_text("".join(f"{line}\n" for line in lines))
    entry = {"name": "a", "path": "a.jsonl", "weight": 0.5}
    (tmp_path / "blend.json").write_text(json.dumps({"datasets": [entry]}))
    result = prepare_rl(
        RlPrepConfig(blend=tmp_path / "blend.json", output_dir=tmp_path / "out", on_invalid="skip")
    )
    counts = result.report["datasets"]["a"]
    written = sum(len(path.read_text().splitlines()) for path in result.path.glob("*.jsonl"))
    assert counts["records_out"] == counts["sequences"] == written
    assert counts["records_in"] == 42
    assert counts["dropped"] == {
        "invalid_json": 1,
        "invalid_prompt": 1,
        "sampled_out": 40 - written,
    }
    assert result.artifact.metadata["datasets"]["a"]["records_out"] == written


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("files", "files add up to"),
        ("datasets", "datasets add up to"),
        ("splits", "splits add up to"),
    ],
)
def test_a_report_that_does_not_add_up_is_not_published(
    level: str, message: str, tokenizer_dir: Path, tmp_path: Path
) -> None:
    blend = write_blend(tmp_path, {"a": [1, 2, 4]}, {"a": 1})
    result = prepare(blend, tokenizer_dir, {"split": EVERYTHING})
    assert result is not None
    report = json.loads((result.path / "report.json").read_text())
    check_report(report)
    entry = report[level][0] if level == "files" else next(iter(report[level].values()))
    entry["sequences"] += 1
    with pytest.raises(AssertionError, match=message):
        check_report(report)
