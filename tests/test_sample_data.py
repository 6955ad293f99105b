"""The data that ships with the repository: rebuilt byte for byte, and prepared by its recipes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tokenizers import Tokenizer

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "recipes" / "sample"
FAMILIES = ("nano3", "super3")
FOLDERS = {"pretrain": "stage0_pretrain", "sft": "stage1_sft", "rl": "stage2_rl"}


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, *map(str, command)]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def prepare(
    stage: str, *overrides: str, cwd: Path, family: str = "nano3"
) -> subprocess.CompletedProcess[str]:
    folder = ROOT / "recipes" / family / FOLDERS[stage]
    if (family, stage) == ("super3", "rl"):
        folder = folder / "rlvr1"
    config = folder / "config" / "data_prep" / "sample.yaml"
    return run(folder / "data_prep.py", "--config", config, *overrides, cwd=cwd)


def test_the_generated_parts_are_built_again_to_the_byte(tmp_path: Path) -> None:
    done = run(SAMPLE / "build.py", "--out", tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    built = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert len(built) == 4
    for path in built:
        assert path.read_bytes() == (SAMPLE / path.relative_to(tmp_path)).read_bytes(), path


def test_the_sample_is_small_and_as_its_readme_says() -> None:
    size = sum(path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file())
    assert size < 2_000_000
    assert (
        Tokenizer.from_file(str(SAMPLE / "tokenizer" / "tokenizer.json")).get_vocab_size() == 8192
    )
    chats = (SAMPLE / "sft" / "chat.jsonl").read_text(encoding="utf-8").splitlines()
    prompts = (SAMPLE / "rl" / "prompts.jsonl").read_text(encoding="utf-8").splitlines()
    assert (len(chats), len(prompts)) == (320, 240)
    kinds = {json.loads(line)["id"].rpartition("-")[0] for line in chats}
    assert len(kinds) == 6


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("stage", FOLDERS)
def test_a_recipe_prepares_the_sample_from_any_folder_and_reuses_it(
    family: str, stage: str, tmp_path: Path
) -> None:
    first = prepare(stage, family=family, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    made_in = "rl/rlvr1" if (family, stage) == ("super3", "rl") else stage
    (output,) = (tmp_path / "output" / family / f"{made_in}-sample").iterdir()
    report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    assert report["totals"]["records_in"] == report["totals"]["records_out"] > 0
    assert all(any(counts.values()) for counts in report["splits"].values())
    second = prepare(stage, family=family, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert "cache hit" in second.stderr


@pytest.mark.parametrize(
    ("stage", "override", "code", "message"),
    [
        ("sft", "pack_sise=512", 2, "Did you mean 'pack_size'?"),
        ("sft", "tokenizer=nowhere", 2, "tokenizer: There is no"),
        ("pretrain", "blend=nowhere.json", 2, "blend: There is no"),
        ("pretrain", "eod_token=nothing", 1, "The tokenizer has no token 'nothing'"),
        ("rl", "split.train=0.5", 2, "split: The split ratios"),
        ("rl", "on_invalid=ignore", 2, "on_invalid"),
    ],
)
def test_a_bad_request_is_one_sentence_and_leaves_nothing(
    stage: str, override: str, code: int, message: str, tmp_path: Path
) -> None:
    done = prepare(stage, override, cwd=tmp_path)
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
