"""Drawing ``rows`` or a ``fraction`` of a dataset: exact, seeded, and blind to shards."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemotron_data_prep import RlPrepConfig, prepare_rl
from nemotron_data_prep.blend import Dataset
from nemotron_data_prep.plan import make_plan
from nemotron_data_prep.sources.files import find_files
from nemotron_data_prep.sources.records import Slice, read_batches
from nemotron_data_prep.sources.source_file import SourceFile


def write(folder: Path, kind: str, count: int, name: str = "a") -> Path:
    rows = [{"text": f"{name} {number}"} for number in range(count)]
    path = folder / f"{name}.{kind}"
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    if kind == "parquet":
        table = pa.Table.from_pylist(rows, schema=pa.schema([("text", pa.string())]))
        pq.write_table(table, path, row_group_size=7)
    else:
        path.write_bytes(gzip.compress(lines) if kind.endswith("gz") else lines)
    return path


def draw(
    path: Path, seed: int = 0, cuts: Sequence[int] = (), **entry: Any
) -> tuple[list[str], int]:
    """What is drawn of all files, and how many records are left out."""
    texts: list[str] = []
    left_out = 0
    dataset = Dataset("d", str(path), **entry)
    for file in find_files([dataset], seed):
        for part in parts_of(file, cuts):
            for batch in read_batches(
                file, part, text_field="text", sample_by=dataset.sample_by, columns=["text"]
            ):
                texts += [str(value["text"]) for value in batch.values]
                left_out += batch.sampled_out
    return texts, left_out


def parts_of(file: SourceFile, cuts: Sequence[int]) -> list[Slice]:
    if file.compression is not None:
        return [Slice(0)]
    last = len(file.row_groups) if file.format == "parquet" else file.size_bytes
    bounds = sorted({0, last, *(cut % last for cut in cuts if last)})
    return [Slice(0, a, b) for a, b in itertools.pairwise(bounds)]


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "parquet"])
@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=3),
    st.integers(1, 120),
    st.lists(st.integers(0, 2000), max_size=5),
)
def test_exactly_so_many_rows_are_drawn_wherever_shards_are_cut(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    counts: list[int],
    rows: int,
    cuts: list[int],
) -> None:
    seed = rows % 3
    folder = tmp_path_factory.mktemp("drawn")
    for index, count in enumerate(counts):
        write(folder, kind, count, name=f"file{index}")
    texts, left_out = draw(folder, seed, rows=rows)
    assert len(texts) == min(rows, sum(counts))
    assert len(set(texts)) == len(texts)
    assert len(texts) + left_out == sum(counts)
    assert draw(folder, seed, cuts, rows=rows) == (texts, left_out)


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "parquet"])
def test_another_seed_draws_others_and_a_larger_draw_holds_the_smaller(
    tmp_path: Path, kind: str
) -> None:
    path = write(tmp_path, kind, 400)
    hundred, _ = draw(path, rows=100)
    assert hundred != draw(path, seed=1, rows=100)[0]
    assert set(draw(path, rows=40)[0]) < set(hundred) < set(draw(path, fraction=0.9)[0])
    numbers = [int(text.split()[1]) for text in hundred]
    assert numbers == sorted(numbers)
    # A draw takes from everywhere, not from the beginning.
    assert 10 <= sum(number >= 200 for number in numbers) <= 90


@pytest.mark.parametrize("kind", ["jsonl", "jsonl.gz", "parquet"])
def test_a_fraction_draws_about_so_many(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind, 2000)
    texts, left_out = draw(path, fraction=0.25)
    # Six standard deviations around the mean; the choice itself is fixed by the seed.
    assert 384 <= len(texts) <= 616
    assert len(texts) + left_out == 2000
    assert draw(path, fraction=1) == draw(path)


@pytest.mark.parametrize(
    ("content", "sample_by", "texts"),
    [
        (b"\xef\xbb\xbf\none\n\ntwo\r\n\r\n \nthree", "line", {"one", "two", "three"}),
        (b"one\none\n\n\ntwo\n", "paragraph", {"one\none", "two"}),
        (b"one\ntwo\n", "document", {"one\ntwo\n"}),
    ],
)
def test_records_of_text_are_counted_as_they_are_read(
    tmp_path: Path, content: bytes, sample_by: str, texts: set[str]
) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    entry = {"sample_by": sample_by}
    assert draw(path, rows=len(texts), **entry) == draw(path, **entry)
    for rows in range(1, len(texts)):
        drawn, left_out = draw(path, rows=rows, **entry)
        assert (len(drawn), left_out) == (rows, len(texts) - rows)
        assert set(drawn) < texts


@given(
    st.lists(
        st.sampled_from(
            [b'{"text": "x"}', b"", b" \t", b"{", b"[1]", b"\xff", b"\xef\xbb\xbf", b"\r"]
        ),
        max_size=12,
    ),
    st.integers(1, 12),
)
def test_unreadable_lines_are_drawn_like_any_other(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], rows: int
) -> None:
    """What is a record is the same when counting, when drawing and when reading all."""
    path = tmp_path_factory.mktemp("odd") / "a.jsonl"
    path.write_bytes(b"\n".join(lines))
    (every,) = find_files([Dataset("d", str(path))])
    (drawn,) = find_files([Dataset("d", str(path), rows=rows)])

    def count(file: SourceFile) -> tuple[int, int]:
        batches = list(
            read_batches(file, Slice(0), text_field="text", sample_by="line", columns=None)
        )
        taken = sum(len(batch.values) + len(batch.invalid) for batch in batches)
        return taken, sum(batch.sampled_out for batch in batches)

    total, nothing = count(every)
    assert nothing == 0
    assert count(drawn) == (min(rows, total), max(0, total - rows))


def test_fewer_records_than_asked_for_are_all_used_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, "jsonl", 5)
    assert len(draw(path, rows=7)[0]) == 5
    assert "d: asked for 7 records, and there are 5: all are used" in caplog.text


def test_row_groups_without_a_drawn_row_are_not_opened(tmp_path: Path) -> None:
    path = write(tmp_path, "parquet", 70)
    (file,) = find_files([Dataset("d", str(path), rows=1)])
    path.write_bytes(b"")
    (chosen,) = [
        group
        for group in range(10)
        if file.draw is not None
        and file.draw.chosen(pa.array(range(group * 7, group * 7 + 7)).to_numpy()).any()
    ]
    options: dict[str, Any] = {"text_field": "text", "sample_by": "line", "columns": ["text"]}
    for group in set(range(10)) - {chosen}:
        (batch,) = read_batches(file, Slice(0, group, group + 1), **options)
        assert (batch.values, batch.sampled_out) == ([], 7)


def test_a_draw_is_part_of_the_plans_name(tmp_path: Path) -> None:
    path = write(tmp_path, "jsonl", 50)

    def plan_id(seed: int = 0, **entry: Any) -> str:
        datasets = [Dataset("d", str(path), **entry)]
        return make_plan(datasets, find_files(datasets, seed), {}, None).id

    ids = [plan_id(), plan_id(rows=10), plan_id(rows=11), plan_id(seed=1, rows=10)]
    ids += [plan_id(fraction=0.5), plan_id(seed=1, fraction=0.5)]
    assert len(set(ids)) == len(ids)
    assert plan_id(seed=1) == plan_id()


def test_every_record_of_a_drawn_dataset_is_accounted_for(tmp_path: Path) -> None:
    prompt = {"responses_create_params": {"input": "2 + 2?"}, "agent_ref": {"name": "sums"}}
    for kind in ("jsonl", "parquet"):
        rows = [{**prompt, "id": f"{kind}{number}"} for number in range(200)]
        if kind == "parquet":
            pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=3)
        else:
            (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    entries = [
        {"name": "lines", "path": "a.jsonl", "rows": 50},
        {"name": "columns", "path": "a.parquet", "rows": 4, "weight": 2},
        {"name": "half", "path": "a.jsonl", "fraction": 0.5, "weight": 0.5},
        {"name": "few", "path": "a.jsonl", "rows": 205},
    ]
    blend = tmp_path / "blend.json"
    blend.write_text(json.dumps({"train": entries}))
    config = RlPrepConfig(blend=blend, output_dir=tmp_path / "out")
    result = prepare_rl(config)
    datasets = result.report["datasets"]
    assert {name: entry["records_in"] for name, entry in datasets.items()} == {
        "lines": 200,
        "columns": 200,
        "half": 200,
        "few": 200,
    }
    assert result.report["missing_rows"] == {"few": 5}
    assert (datasets["lines"]["records_out"], datasets["lines"]["sequences"]) == (50, 50)
    assert (datasets["columns"]["records_out"], datasets["columns"]["sequences"]) == (4, 8)
    half = datasets["half"]
    assert half["records_out"] + half["dropped"]["sampled_out"] == 200
    assert 20 < half["records_out"] < 80
    other = replace(config, output_dir=tmp_path / "other", shard_size_bytes=1000, workers=2)
    written = [
        (prepared.path / "train.jsonl").read_bytes() for prepared in (result, prepare_rl(other))
    ]
    assert written[0] == written[1]


def test_one_name_may_stand_in_several_splits(tmp_path: Path) -> None:
    prompt = {"responses_create_params": {"input": "2 + 2?"}, "agent_ref": {"name": "sums"}}
    for name in ("a", "b"):
        rows = [{**prompt, "id": f"{name}{number}"} for number in range(10)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    blend = tmp_path / "blend.json"
    train = [{"name": "sums", "path": "a.jsonl"}, {"name": "more", "path": "a.jsonl"}]
    blend.write_text(json.dumps({"train": train, "valid": [{"name": "sums", "path": "b.jsonl"}]}))
    result = prepare_rl(RlPrepConfig(blend=blend, output_dir=tmp_path / "out"))
    assert set(result.report["datasets"]) == {"train/sums", "more", "valid/sums"}
    assert {name: split["records"] for name, split in result.report["splits"].items()} == {
        "train": 20,
        "valid": 10,
        "test": 0,
    }
    names = [
        (source.name, source.uri.rpartition("/")[2]) for source in result.artifact.source_datasets
    ]
    assert names == [("sums", "a.jsonl"), ("more", "a.jsonl"), ("sums", "b.jsonl")]


def test_a_file_in_two_splits_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(write(tmp_path, "jsonl", 5))
    train, again = Dataset("a", path, split="train"), Dataset("b", path, split="train")
    find_files([train, again])
    assert not caplog.records
    find_files([train, Dataset("c", path, split="valid", rows=2)])
    assert "a.jsonl is read for train and valid: its records may lie in both" in caplog.text
