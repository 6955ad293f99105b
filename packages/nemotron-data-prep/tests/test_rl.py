from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nemo_runspec.errors import DataError
from nemotron_data_prep import PrepResult, RlPrepConfig, SplitRatios, prepare_rl

Blend = Callable[..., Path]


def prompt(number: int) -> dict[str, Any]:
    return {
        "responses_create_params": {"input": [{"role": "user", "content": f"{number} + 1?"}]},
        "agent_ref": {"type": "responses_api_agents", "name": "exact_match_simple_agent"},
        "expected_answer": str(number + 1),
    }


PROMPTS = [prompt(number) for number in range(50)]


@pytest.fixture
def prepare(tmp_path: Path) -> Callable[..., PrepResult]:
    def run(blend: Path, **options: Any) -> PrepResult:
        defaults: dict[str, Any] = {
            "output_dir": tmp_path / "out",
            "split": SplitRatios(train=0.6, valid=0.2, test=0.2),
            "workers": 1,
        }
        return prepare_rl(RlPrepConfig(blend=blend, **{**defaults, **options}))

    return run


def lines(path: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]


def test_every_prompt_lies_in_one_split_unchanged(
    prepare: Callable[..., PrepResult], blend: Blend
) -> None:
    artifact = prepare(blend(prompts=PROMPTS)).artifact
    splits = [lines(path) for path in (artifact.train_path, artifact.val_path, artifact.test_path)]
    assert all(splits)
    together = sorted(
        (r for split in splits for r in split), key=lambda r: int(r["expected_answer"])
    )
    assert together == PROMPTS
    assert artifact.num_records == 50


def test_the_manifest_describes_the_files(prepare: Callable[..., PrepResult], blend: Blend) -> None:
    result = prepare(blend(prompts=PROMPTS), split=SplitRatios(train=0.8, valid=0.2, test=0))
    manifest = json.loads((result.path / "manifest.json").read_text())
    assert manifest["splits"]["test"] is None
    assert result.artifact.test_path is None
    assert not (result.path / "test.jsonl").exists()
    for split in ("train", "valid"):
        entry = manifest["splits"][split]
        content = (result.path / entry["file"]).read_bytes()
        assert entry["sha256"] == hashlib.sha256(content).hexdigest()
        assert entry["size_bytes"] == len(content)
        assert entry["records"] == content.count(b"\n")


def test_shards_are_joined_in_order(prepare: Callable[..., PrepResult], blend: Blend) -> None:
    path = blend(prompts=PROMPTS)
    one = prepare(path)
    many = prepare(path, shard_size_bytes=500)
    assert one.path != many.path
    for name in ("train.jsonl", "val.jsonl", "test.jsonl"):
        assert (one.path / name).read_bytes() == (many.path / name).read_bytes()


def test_parquet_prompts_are_read(
    prepare: Callable[..., PrepResult], blend: Blend, tmp_path: Path
) -> None:
    pq.write_table(pa.Table.from_pylist(PROMPTS), tmp_path / "p.parquet")
    path = blend({"name": "p", "path": "p.parquet", "split": "train"})
    assert lines(prepare(path).artifact.train_path or "") == PROMPTS


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"agent_ref": {"name": "a"}}, "'responses_create_params.input' is missing or empty"),
        (
            {"responses_create_params": {"input": []}, "agent_ref": {"name": "a"}},
            "'responses_create_params.input' is missing or empty",
        ),
        ({"responses_create_params": {"input": "x"}}, "'agent_ref.name' is missing"),
    ],
)
def test_records_that_are_no_prompts_stop_or_are_counted(
    record: dict[str, Any], message: str, prepare: Callable[..., PrepResult], blend: Blend
) -> None:
    path = blend(prompts=[*PROMPTS, record])
    with pytest.raises(DataError, match=rf"prompts\.jsonl:51: .*{message}"):
        prepare(path)
    report = prepare(path, on_invalid="skip").report
    assert report["totals"]["dropped"] == {"invalid_prompt": 1}
    assert report["totals"]["records_out"] == 50


def test_weights_sample_and_repeat(prepare: Callable[..., PrepResult], blend: Blend) -> None:
    blend(prompts=PROMPTS)
    twice = prepare(blend({"name": "p", "path": "data/prompts.jsonl", "weight": 2}))
    assert twice.artifact.num_records == 100
    half = prepare(blend({"name": "p", "path": "data/prompts.jsonl", "weight": 0.5})).report
    assert half["totals"]["records_out"] + half["totals"]["dropped"]["sampled_out"] == 50


def test_a_rerun_is_a_cache_hit(prepare: Callable[..., PrepResult], blend: Blend) -> None:
    path = blend(prompts=PROMPTS)
    first, second = prepare(path), prepare(path)
    assert (first.cache_hit, second.cache_hit) == (False, True)
    assert first.artifact == second.artifact
