from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo_runspec.artifacts import (
    PretrainBlendsArtifact,
    SFTDataArtifact,
    SplitJsonlDataArtifact,
)
from nemo_runspec.errors import NemotronError, UsageError
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
from nemotron_data_prep.importing import (
    describe_pretrain_data,
    describe_rl_data,
    describe_sft_data,
)
from nemotron_data_prep.output.megatron import IndexedDatasetWriter

HALVES = SplitRatios(train=0.6, valid=0.4, test=0.0)
PACK_SIZE = 128


@pytest.fixture
def pretrain(blend: Callable[..., Path], tokenizer_dir: Path, tmp_path: Path) -> PrepResult:
    texts = [{"text": f"Text number {number} about foxes."} for number in range(60)]
    return prepare_pretrain(
        PretrainPrepConfig(
            blend=blend(a=texts[:40], b=texts[40:]),
            tokenizer=tokenizer_dir,
            output_dir=tmp_path / "out",
            split=HALVES,
        )
    )


@pytest.fixture
def sft(blend: Callable[..., Path], tokenizer_dir: Path, tmp_path: Path) -> PrepResult:
    return prepare_packs(blend, tokenizer_dir, tmp_path, "parquet")


def prepare_packs(
    blend: Callable[..., Path], tokenizer_dir: Path, tmp_path: Path, pack_format: Any
) -> PrepResult:
    talks = [
        {
            "messages": [
                {"role": "user", "content": f"What is {number}?"},
                {"role": "assistant", "content": f"A number, {number}."},
            ]
        }
        for number in range(60)
    ]
    return prepare_sft(
        SftPrepConfig(
            blend=blend(talks=talks),
            tokenizer=tokenizer_dir,
            output_dir=tmp_path / "out",
            pack_size=PACK_SIZE,
            format=pack_format,
            split=HALVES,
        )
    )


@pytest.fixture
def rl(blend: Callable[..., Path], tmp_path: Path) -> PrepResult:
    prompts = [
        {
            "responses_create_params": {"input": [{"role": "user", "content": str(number)}]},
            "agent_ref": {"name": "math"},
        }
        for number in range(60)
    ]
    return prepare_rl(
        RlPrepConfig(blend=blend(prompts=prompts), output_dir=tmp_path / "out", split=HALVES)
    )


def change(file: Path, **values: Any) -> None:
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, **values}))


def splits_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "blend.json").read_text())
    return found


@pytest.mark.parametrize("given", ["", "blend.json"])
def test_pretraining_data_is_counted_as_its_preparation_did(
    pretrain: PrepResult, given: str
) -> None:
    described = describe_pretrain_data(pretrain.path / given)
    found, made = described.artifact, pretrain.artifact
    assert isinstance(found, PretrainBlendsArtifact)
    assert isinstance(made, PretrainBlendsArtifact)
    assert found.path == pretrain.path
    assert (found.total_tokens, found.num_documents) == (made.total_tokens, made.num_documents)
    assert found.splits == made.splits
    assert found.tokenizer is None
    assert described.notes == ()


def test_the_record_of_a_preparation_says_what_files_do_not(pretrain: PrepResult) -> None:
    pretrain.artifact.name, pretrain.artifact.version = "x-pretrain-data", 3
    pretrain.artifact.write_metadata()
    described = describe_pretrain_data(pretrain.path)
    found, made = described.artifact, pretrain.artifact
    assert found.typed_fields() == made.typed_fields()
    assert found.metadata == {**made.metadata, "imported": True}
    assert (found.name, described.recorded_ref) == (None, "x-pretrain-data:v3")


def test_a_record_that_the_files_contradict_is_refused(pretrain: PrepResult) -> None:
    pretrain.artifact.write_metadata()
    change(pretrain.path / "metadata.json", total_tokens=7)
    with pytest.raises(NemotronError, match=r"metadata\.json: total_tokens: The record says .* 7"):
        describe_pretrain_data(pretrain.path)


def test_the_record_of_an_earlier_import_counts_for_nothing(pretrain: PrepResult) -> None:
    artifact = describe_pretrain_data(pretrain.path).artifact
    artifact.write_metadata()
    change(pretrain.path / "metadata.json", total_tokens=7, tokenizer="old")
    found = describe_pretrain_data(pretrain.path).artifact
    assert found.typed_fields() == artifact.typed_fields()


def test_an_artifact_among_the_sources_is_no_input_of_an_import(pretrain: PrepResult) -> None:
    pretrain.artifact.write_metadata()
    sources = [{"uri": "art://raw:v1"}, {"uri": "s3://b/raw.jsonl"}]
    change(pretrain.path / "metadata.json", source_datasets=sources)
    assert describe_pretrain_data(pretrain.path).artifact.get_input_uris() == ["s3://b/raw.jsonl"]


BLEND_FAULTS = [
    ({"valid": ...}, r"blend\.json: valid: The split 'valid' is missing"),
    ({"valid": ..., "vaild": None}, "Is 'vaild' meant to be it"),
    ({"valid": []}, r"blend\.json: valid: A split is a list"),
    ({"valid": 3}, r"blend\.json: valid: A split is a list"),
    ({"valid": ["1.0"]}, r"blend\.json: valid\[0\]: '1.0' is a weight where a prefix"),
    ({"valid": ["1", "/a", "2"]}, r"valid\[0\]: '1' is a weight where a prefix"),
    ({"valid": ["-1", "/a"]}, r"valid\[1\]: The weight -1.0 is no positive number"),
    ({"valid": ["nan", "/a"]}, r"valid\[1\]: The weight nan is no positive number"),
    ({"valid": [1, None]}, r"valid\[1\]: None is no path prefix"),
    ({"valid": ["s3://b/a"]}, r"valid\[0\]: The prefix lies on remote storage"),
    ({"valid": ["/none/a"]}, r"/none/a\.bin: .*blend\.json: valid\[0\] names a file that is miss"),
    ({"valid": ["/" + "a" * 300]}, r"/aaa.*\.idx: It cannot be read: File name too long"),
    ({"train": None, "valid": None, "test": None}, r"blend\.json: No split has data"),
]


@pytest.mark.parametrize(("values", "message"), BLEND_FAULTS)
def test_a_fault_of_a_blend_is_named_by_its_key(
    pretrain: PrepResult, values: dict[str, Any], message: str
) -> None:
    document = {**splits_of(pretrain.path), **values}
    kept = {key: value for key, value in document.items() if value is not ...}
    (pretrain.path / "blend.json").write_text(json.dumps(kept))
    with pytest.raises(NemotronError, match=message):
        describe_pretrain_data(pretrain.path)


def test_a_blend_that_is_no_json_is_named_by_line_and_column(pretrain: PrepResult) -> None:
    (pretrain.path / "blend.json").write_text('{"train": null,\n "valid" null}')
    with pytest.raises(NemotronError, match=r"blend\.json:2:10: The file is no valid JSON"):
        describe_pretrain_data(pretrain.path)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"train": [1' + "0" * 5000 + ', "x"]}'])
def test_a_blend_that_no_reader_takes_is_named(pretrain: PrepResult, text: str) -> None:
    (pretrain.path / "blend.json").write_text(text)
    with pytest.raises(NemotronError, match=r"blend\.json: The file cannot be used: "):
        describe_pretrain_data(pretrain.path)


def test_a_weight_beyond_all_numbers_is_refused(pretrain: PrepResult) -> None:
    change(pretrain.path / "blend.json", train=[10**400, "x"])
    with pytest.raises(NemotronError, match=r"train\[1\]: The weight inf is no positive number"):
        describe_pretrain_data(pretrain.path)


def test_what_is_no_layout_is_refused(pretrain: PrepResult, tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"report\.json: .* or its blend\.json, not 'report\.json'"
    ):
        describe_pretrain_data(pretrain.path / "report.json")
    with pytest.raises(NemotronError, match=r"nowhere: The path does not exist"):
        describe_pretrain_data(tmp_path / "nowhere")
    with pytest.raises(NemotronError, match=r"The folder has no blend\.json"):
        describe_sft_data(tmp_path / "data")
    with pytest.raises(NemotronError, match=r"blend\.json: datasets: .* has not prepared yet"):
        describe_sft_data(tmp_path)
    with pytest.raises(NemotronError, match=r"The folder has no manifest\.json"):
        describe_rl_data(pretrain.path)
    with pytest.raises(UsageError, match="remote storage"):
        describe_pretrain_data("s3://bucket/data")


def spoil(suffix: str, edit: Callable[[bytes], bytes]) -> Callable[[str], None]:
    def damage(prefix: str) -> None:
        file = Path(prefix + suffix)
        file.write_bytes(edit(file.read_bytes()))

    return damage


def patched(position: int, content: bytes) -> Callable[[bytes], bytes]:
    return lambda data: data[:position] + content + data[position + len(content) :]


SHARD_FAULTS = [
    (lambda prefix: Path(f"{prefix}.bin").unlink(), r"shard_000000\.bin: .* names a file that is"),
    (lambda prefix: Path(f"{prefix}.idx").unlink(), r"shard_000000\.idx: .* names a file that is"),
    (spoil(".bin", lambda data: data[:-2]), r"\.bin: The file has .* and its index counts"),
    (spoil(".idx", lambda data: data[:-1]), r"\.idx: The index has .* bytes, and"),
    (spoil(".idx", lambda _: b""), r"\.idx: The file is no Megatron index"),
    (spoil(".idx", patched(0, b"XMIDIDX")), "no Megatron index"),
    (spoil(".idx", patched(9, b"\2")), "The index has version 2, not 1"),
    (spoil(".idx", patched(17, b"\x63")), "unknown type code 99"),
    (spoil(".idx", patched(34, b"\xff\xff\xff\xff")), "negative length"),
    (spoil(".idx", lambda data: data[:-8] + b"\1" + b"\0" * 7), r"sequence 0 to 1, not from 0"),
]


@pytest.mark.parametrize(("damage", "message"), SHARD_FAULTS)
def test_a_fault_of_a_shard_is_named_by_its_file(
    pretrain: PrepResult, damage: Callable[[str], None], message: str
) -> None:
    damage(splits_of(pretrain.path)["train"][1])
    with pytest.raises(NemotronError, match=message):
        describe_pretrain_data(pretrain.path)


def test_an_index_of_other_offsets_is_refused(pretrain: PrepResult) -> None:
    prefix = splits_of(pretrain.path)["train"][1]
    data = Path(f"{prefix}.idx").read_bytes()
    (sequences,) = struct.unpack_from("<Q", data, 18)
    changed = patched(34 + 4 * sequences, b"\1")(data)
    Path(f"{prefix}.idx").write_bytes(changed)
    with pytest.raises(NemotronError, match="offsets of the index do not"):
        describe_pretrain_data(pretrain.path)


def test_a_suffix_in_a_prefix_is_explained(pretrain: PrepResult) -> None:
    prefix = splits_of(pretrain.path)["train"][1]
    change(pretrain.path / "blend.json", train=[f"{prefix}.bin"])
    with pytest.raises(NemotronError, match="A prefix has no suffix"):
        describe_pretrain_data(pretrain.path)


def test_blends_are_read_as_megatron_reads_them(pretrain: PrepResult) -> None:
    file = pretrain.path / "blend.json"
    whole = describe_pretrain_data(file).artifact.typed_fields()
    train = splits_of(pretrain.path)["train"]
    for spelling in (train[1::2], " ".join(train[1::2]), [1, train[1], 2.5, train[3]]):
        change(file, train=spelling)
        assert describe_pretrain_data(file).artifact.typed_fields() == whole


def test_relative_prefixes_are_found_and_noted(pretrain: PrepResult) -> None:
    train = [
        str(Path(each).relative_to(pretrain.path))
        for each in splits_of(pretrain.path)["train"][1::2]
    ]
    before = describe_pretrain_data(pretrain.path).artifact.typed_fields()
    change(pretrain.path / "blend.json", train=train)
    described = describe_pretrain_data(pretrain.path)
    assert described.artifact.typed_fields() == before
    assert "train[0] is relative" in described.notes[0]
    assert "working directory" in described.notes[0]


def test_shards_outside_the_folder_are_named(pretrain: PrepResult, tmp_path: Path) -> None:
    assert describe_pretrain_data(pretrain.path).outside == ()
    mix = tmp_path / "mix"
    mix.mkdir()
    (mix / "blend.json").write_bytes((pretrain.path / "blend.json").read_bytes())
    splits = splits_of(pretrain.path)
    prefixes = {each for split in splits.values() for each in (split or [])[1::2]}
    expected = sorted(f"{each}{suffix}" for each in prefixes for suffix in (".bin", ".idx"))
    assert list(describe_pretrain_data(mix).outside) == expected
    relative = [str(Path("..") / Path(each).relative_to(tmp_path)) for each in prefixes]
    change(mix / "blend.json", train=relative, valid=None)
    assert list(describe_pretrain_data(mix).outside) == expected


def test_packs_outside_the_folder_are_named(sft: PrepResult, tmp_path: Path) -> None:
    assert describe_sft_data(sft.path).outside == ()
    mix = tmp_path / "mix"
    mix.mkdir()
    place = splits_of(sft.path)["train"][1]
    blend = {"train": [place], "valid": None, "test": None, "pack_size": PACK_SIZE}
    (mix / "blend.json").write_text(json.dumps(blend))
    expected = tuple(str(file) for file in sorted(Path(place).glob("*.parquet")))
    assert describe_sft_data(mix).outside == expected


def test_a_training_shard_that_is_held_out_too_is_noted(pretrain: PrepResult) -> None:
    change(pretrain.path / "blend.json", test=splits_of(pretrain.path)["train"])
    (note,) = describe_pretrain_data(pretrain.path).notes
    assert "is a training shard too" in note


@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=20),
    dtype=st.sampled_from(["<u2", "<i4"]),
)
def test_any_pair_that_we_write_is_counted(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], dtype: str
) -> None:
    folder = tmp_path_factory.mktemp("pair")
    with IndexedDatasetWriter(folder / "a", np.dtype(dtype)) as writer:
        writer.write(np.zeros(sum(lengths), dtype=np.int32), np.array(lengths, dtype=np.int32))
    blend = {"train": ["1", str(folder / "a")], "valid": None, "test": None}
    (folder / "blend.json").write_text(json.dumps(blend))
    found = describe_pretrain_data(folder).artifact
    assert isinstance(found, PretrainBlendsArtifact)
    assert (found.total_tokens, found.num_documents) == (sum(lengths), len(lengths))


def test_packed_data_is_counted_as_its_preparation_did(sft: PrepResult) -> None:
    found, made = describe_sft_data(sft.path).artifact, sft.artifact
    assert isinstance(found, SFTDataArtifact)
    assert isinstance(made, SFTDataArtifact)
    assert (found.num_packs, found.total_tokens) == (made.num_packs, made.total_tokens)
    assert found.training_path == made.training_path
    assert found.validation_path == made.validation_path
    assert found.test_path is None
    assert 0 < found.pack_size <= PACK_SIZE


def test_the_pack_size_is_what_something_says(sft: PrepResult) -> None:
    assert size_of(describe_sft_data(sft.path, pack_size=4096).artifact) == 4096
    change(sft.path / "blend.json", pack_size=256)
    assert size_of(describe_sft_data(sft.path).artifact) == 256
    with pytest.raises(NemotronError, match=r"--pack-size says .* 512 tokens, and blend.json says"):
        describe_sft_data(sft.path, pack_size=512)
    sft.artifact.write_metadata()
    with pytest.raises(NemotronError, match=r"metadata.json says .* 128 .*blend\.json says 256"):
        describe_sft_data(sft.path)


def size_of(artifact: object) -> int:
    assert isinstance(artifact, SFTDataArtifact)
    return artifact.pack_size


def test_the_longest_pack_is_the_size_where_nothing_says_it(sft: PrepResult) -> None:
    folder = Path(splits_of(sft.path)["train"][1])
    lengths = [len(row) for row in pq.read_table(folder)["input_ids"].to_pylist()]
    assert size_of(describe_sft_data(sft.path).artifact) == max(lengths)


def test_a_damaged_column_is_named_where_it_has_to_be_read(sft: PrepResult) -> None:
    file = Path(splits_of(sft.path)["train"][1]) / "shard_000000.parquet"
    mask = pq.read_metadata(file).row_group(0).column(1)
    file.write_bytes(patched(mask.data_page_offset, b"\xff" * 20)(file.read_bytes()))
    with pytest.raises(NemotronError, match=r"shard_000000\.parquet: loss_mask: The column is dam"):
        describe_sft_data(sft.path)
    assert size_of(describe_sft_data(sft.path, pack_size=PACK_SIZE).artifact) == PACK_SIZE


def test_arrays_are_described_by_their_headers(
    blend: Callable[..., Path], tokenizer_dir: Path, tmp_path: Path
) -> None:
    made = prepare_packs(blend, tokenizer_dir, tmp_path, "npy")
    found = describe_sft_data(made.path).artifact
    assert isinstance(found, SFTDataArtifact)
    assert isinstance(made.artifact, SFTDataArtifact)
    assert (found.num_packs, found.pack_size) == (made.artifact.num_packs, PACK_SIZE)
    made.artifact.write_metadata()
    found = describe_sft_data(made.path).artifact
    assert found.typed_fields() == made.artifact.typed_fields()
    train = Path(str(made.artifact.training_path))
    np.save(train, np.zeros((2, 3)))
    with pytest.raises(
        NemotronError, match=r"_128\.npy: The array holds float64 of shape \(2, 3\)"
    ):
        describe_sft_data(made.path)
    train.write_bytes(b"PK")
    with pytest.raises(NemotronError, match=r"_128\.npy: The file is no NumPy array"):
        describe_sft_data(made.path)
    renamed = train.rename(train.with_name("packs.npy"))
    np.save(renamed, np.array([{}], dtype=object))
    (made.path / "metadata.json").unlink()
    change(made.path / "blend.json", train=[str(renamed)], valid=None)
    with pytest.raises(UsageError, match="Give it with --pack-size TOKENS"):
        describe_sft_data(made.path)


def packs(**columns: Any) -> pa.Table:
    rows = {
        "input_ids": pa.array([[1, 2]], pa.list_(pa.int32())),
        "loss_mask": pa.array([[0, 1]], pa.list_(pa.int8())),
        "seq_start_id": pa.array([[0]], pa.list_(pa.int32())),
    }
    kept = {name: column for name, column in {**rows, **columns}.items() if column is not None}
    return pa.table(kept)


def packed_folder(folder: Path, table: pa.Table) -> Path:
    folder.mkdir(exist_ok=True)
    pq.write_table(table, folder / "p.parquet")
    document = {"train": [str(folder)], "valid": None, "test": None}
    (folder / "blend.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize(
    "mask", [pa.list_(pa.bool_()), pa.large_list(pa.int64()), pa.list_(pa.uint8())]
)
def test_columns_that_megatron_bridge_reads_are_accepted(tmp_path: Path, mask: Any) -> None:
    ids = pa.array([[1, 2]], pa.list_(pa.int64()))
    table = packs(loss_mask=pa.array([[0, 1]]).cast(mask), input_ids=ids)
    assert size_of(describe_sft_data(packed_folder(tmp_path / "d", table)).artifact) == 2


COLUMN_FAULTS = [
    ({"loss_mask": None}, r"p\.parquet: loss_mask: The column is missing. There are: input_ids"),
    ({"input_ids": pa.array([1])}, r"p\.parquet: input_ids: The column is int64; .* lists of int"),
    ({"input_ids": pa.array([[1.0, 2.0]])}, r"input_ids: The column is list<\w+: double>"),
    ({"seq_start_id": pa.array([["0"]])}, r"seq_start_id: The column is list<\w+: string>"),
    ({"loss_mask": pa.array([[1]])}, r"loss_mask: The column has 1 values, and input_ids 2"),
]


@pytest.mark.parametrize(("columns", "message"), COLUMN_FAULTS)
def test_a_fault_of_a_column_is_named(
    tmp_path: Path, columns: dict[str, Any], message: str
) -> None:
    with pytest.raises(NemotronError, match=message):
        describe_sft_data(packed_folder(tmp_path / "d", packs(**columns)))


def test_places_of_packs(sft: PrepResult, tmp_path: Path) -> None:
    folder = Path(splits_of(sft.path)["train"][1])
    (tmp_path / "pipes").mkdir()
    os.mkfifo(tmp_path / "pipes" / "s.parquet")
    for place in (f"{folder}/*.parquet", f"{folder}/shard_000000.parquet", "splits/train"):
        change(sft.path / "blend.json", train=[place])
        assert describe_sft_data(sft.path).artifact.typed_fields()["num_packs"]
    for place, message in (
        (f"{folder}/none.parquet", r"none\.parquet: .*train\[0\] names packs .* it is missing"),
        (f"{folder}/*.npy", "it is missing, or no Parquet"),
        (str(tmp_path / "data"), "it holds no Parquet files"),
        (str(tmp_path / "pipes"), "it holds no Parquet files"),
        (str(tmp_path / "pipes" / "s.parquet"), "it is missing, or no Parquet"),
    ):
        change(sft.path / "blend.json", train=[place])
        with pytest.raises(NemotronError, match=message):
            describe_sft_data(sft.path)
    change(sft.path / "blend.json", train=["1", str(folder), "2", str(folder)])
    with pytest.raises(NemotronError, match=r"train\[3\]: The split has 2 places"):
        describe_sft_data(sft.path)


def test_files_that_hold_no_packs_are_refused(tmp_path: Path) -> None:
    folder = packed_folder(tmp_path / "d", packs().slice(0, 0))
    with pytest.raises(NemotronError, match="The split holds no packs"):
        describe_sft_data(folder)
    (folder / "p.parquet").write_bytes(b"PAR1")
    with pytest.raises(NemotronError, match=r"p\.parquet: The file is no Parquet file"):
        describe_sft_data(folder)


def test_prompts_are_described_as_their_preparation_did(rl: PrepResult) -> None:
    found, made = describe_rl_data(rl.path / "manifest.json").artifact, rl.artifact
    assert isinstance(found, SplitJsonlDataArtifact)
    assert isinstance(made, SplitJsonlDataArtifact)
    sources = {"source_datasets": []}
    assert found.typed_fields() == {**made.typed_fields(), **sources}
    rl.artifact.write_metadata()
    assert describe_rl_data(rl.path).artifact.typed_fields() == made.typed_fields()


def test_a_manifest_need_not_count(rl: PrepResult) -> None:
    change(rl.path / "manifest.json", splits={"train": {"file": "train.jsonl"}})
    found = describe_rl_data(rl.path).artifact
    assert isinstance(found, SplitJsonlDataArtifact)
    assert (found.num_records, found.val_path) == (None, None)


MANIFEST_FAULTS = [
    ({"splits": []}, r"manifest\.json: splits: The manifest lists no splits"),
    ({"splits": {"val": None}}, r"manifest\.json: splits\.val: There is no such .* 'valid'"),
    ({"splits": {"train": None}}, r"splits: No split has data"),
    ({"splits": {"train": "x"}}, r"splits\.train: A split is an object with a 'file'"),
    (
        {"splits": {"train": {"file": "../../../../etc/passwd"}}},
        r"splits\.train\.file: '\.\./\.\./\.\./\.\./etc/passwd' lies outside",
    ),
    ({"splits": {"train": {"file": "x.jsonl"}}}, r"x\.jsonl: .*splits\.train names a file"),
    (
        {"splits": {"train": {"file": "train.jsonl", "size_bytes": 1}}},
        r"train\.jsonl: The file has .* bytes, and the manifest says 1",
    ),
    (
        {"splits": {"train": {"file": "train.jsonl", "records": "7"}}},
        r"splits\.train\.records: '7' is no number",
    ),
    ({"format": "sharegpt"}, r"manifest\.json: format: The records are 'sharegpt'"),
    ({"format_version": 2}, r"manifest\.json: format_version: The manifest has format 2"),
]


@pytest.mark.parametrize(("values", "message"), MANIFEST_FAULTS)
def test_a_fault_of_a_manifest_is_named_by_its_key(
    rl: PrepResult, values: dict[str, Any], message: str
) -> None:
    change(rl.path / "manifest.json", **values)
    with pytest.raises(NemotronError, match=message):
        describe_rl_data(rl.path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", r"train\.jsonl:1: The file has no first record"),
        (b'{"a": }', r"train\.jsonl:1:\d+: The line is no valid JSON"),
        (b"[]", r"train\.jsonl:1: The record is no prompt: it is no JSON object"),
        (b"{}", r"'responses_create_params\.input' is missing"),
        (b'{"responses_create_params": {"input": "x"}}', r"'agent_ref\.name' is missing"),
    ],
)
def test_a_first_line_that_is_no_prompt_is_refused(
    rl: PrepResult, line: bytes, message: str
) -> None:
    (rl.path / "train.jsonl").write_bytes(line + b"\n")
    change(rl.path / "manifest.json", splits={"train": {"file": "train.jsonl"}})
    with pytest.raises(NemotronError, match=message):
        describe_rl_data(rl.path)
