"""What a run leaves behind when it is killed, starved of disk, disturbed, or not alone."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nemo_runspec.errors import ConfigError, DataError
from nemotron_data_prep import PrepResult, RlPrepConfig, SplitRatios, prepare_rl, resolve_inputs
from nemotron_data_prep.locking import directory_lock

Blend = Callable[..., Path]
LAB = Path(__file__).parent / "lab"

PROMPTS = [
    {
        "responses_create_params": {"input": [{"role": "user", "content": f"{number} + 1?"}]},
        "agent_ref": {"name": "exact_match_simple_agent"},
        "expected_answer": str(number + 1),
    }
    for number in range(30)
]
CHATS = [
    {
        "messages": [
            {"role": "user", "content": f"Question {number}?"},
            {"role": "assistant", "content": f"Answer {number}."},
        ]
    }
    for number in range(25)
]


def prepare(blend: Path, output: Path, **options: Any) -> PrepResult:
    defaults: dict[str, Any] = {
        "split": SplitRatios(train=0.6, valid=0.2, test=0.2),
        "workers": 1,
        "shard_size_bytes": 1500,
    }
    return prepare_rl(RlPrepConfig(blend=blend, output_dir=output, **{**defaults, **options}))


def faults(*arguments: object) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(LAB / "faults.py"), *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.mark.exhaustive
@pytest.mark.parametrize(("stage", "stride"), [("rl", 1), ("sft", 7)])
def test_killed_at_any_file_system_call_a_rerun_gives_the_same_bytes(
    stage: str, stride: int, blend: Blend, tokenizer_dir: Path, tmp_path: Path
) -> None:
    path = blend(data=PROMPTS if stage == "rl" else CHATS)
    report = faults("kill", stage, path, tokenizer_dir, tmp_path / "out", stride)
    assert report["calls"] > 40
    for outcome in report["outcomes"]:
        assert outcome["status"] == -9, outcome
        assert outcome["whole"], outcome
        assert outcome["again"] == 0, outcome
        assert outcome["same"], outcome


@pytest.mark.exhaustive
@pytest.mark.parametrize(("stage", "stride"), [("rl", 1), ("sft", 7)])
def test_a_disk_that_fills_at_any_write_leaves_nothing_half_written(
    stage: str, stride: int, blend: Blend, tokenizer_dir: Path, tmp_path: Path
) -> None:
    path = blend(data=PROMPTS if stage == "rl" else CHATS)
    report = faults("full", stage, path, tokenizer_dir, tmp_path / "out", stride)
    assert report["calls"] > 30
    for outcome in report["outcomes"]:
        if outcome["status"] == 0:  # the call made a folder that was there already
            assert outcome["published"], outcome
        else:
            assert outcome["status"] == 3, outcome
            assert "The disk is full" in outcome["text"], outcome
        assert outcome["whole"], outcome
        assert not outcome["staged"], outcome
        assert outcome["again"] == 0, outcome
        assert outcome["same"], outcome


@pytest.mark.parametrize("size_kib", [4, 40, 120])
def test_on_a_real_small_disk_the_run_ends_in_one_sentence_and_resumes(
    size_kib: int, blend: Blend, tmp_path: Path
) -> None:
    records = [{**prompt, "padding": "x" * 2000} for prompt in PROMPTS]
    path = blend(data=records)
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", LAB / "small_disk.sh"]
    arguments = [size_kib, sys.executable, LAB / "prepare_rl.py", path, disk]
    done = subprocess.run(
        [str(part) for part in (*command, *arguments)],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    lines = done.stdout.splitlines()
    assert lines[0] == "first 1"
    assert not [line for line in lines if line.endswith(".staged")]
    assert lines[-2] == "second 0"
    assert len(lines[-1]) == 16
    assert done.stderr.count("error: ") == 1
    assert "The disk is full" in done.stderr
    assert "Traceback" not in done.stderr


def test_workers_end_when_the_run_is_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(LAB / "orphans.py"), str(tmp_path)],
        check=False,
        capture_output=True,  # returns when the last process that holds the pipes is gone
        timeout=200,
    )
    assert done.returncode == -9


def test_a_damaged_output_is_made_again(blend: Blend, tmp_path: Path) -> None:
    path = blend(data=PROMPTS)
    first = prepare(path, tmp_path / "out")
    content = (first.path / "train.jsonl").read_bytes()
    (first.path / "train.jsonl").write_bytes(content.replace(b"1", b"2", 1))
    second = prepare(path, tmp_path / "out")
    assert not second.cache_hit
    assert (second.path / "train.jsonl").read_bytes() == content


def test_files_that_others_add_to_the_output_are_no_damage(blend: Blend, tmp_path: Path) -> None:
    path = blend(data=PROMPTS)
    first = prepare(path, tmp_path / "out")
    (first.path / "metadata.json").write_text("{}")
    assert prepare(path, tmp_path / "out").cache_hit


def test_a_folder_in_use_is_refused(blend: Blend, tmp_path: Path) -> None:
    path = blend(data=PROMPTS)
    out = tmp_path / "out"
    with (
        directory_lock(out, timeout_s=0),
        pytest.raises(DataError, match=rf"out: Another run \(process {os.getpid()} on .*lock_tim"),
    ):
        prepare(path, out)
    assert not out.exists()
    assert not prepare(path, out).cache_hit


def test_a_second_run_waits_as_long_as_it_is_told(blend: Blend, tmp_path: Path) -> None:
    path, out = blend(data=PROMPTS), tmp_path / "out"
    out.mkdir()
    script = (
        "import fcntl, os, sys\n"
        "stream = open(sys.argv[1], 'w')\n"
        "fcntl.flock(stream, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(out / ".lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(DataError, match="Another run"):
            prepare(path, out, lock_timeout_s=0.3)
        holder.communicate("")
    assert prepare(path, out, lock_timeout_s=60).report["totals"]["records_out"] == 30


def test_a_lock_that_a_dead_run_left_is_no_obstacle(blend: Blend, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".lock").write_text('{"pid": 1, "host": "elsewhere"}')
    result = prepare(blend(data=PROMPTS), out)
    assert list(out.iterdir()) == [result.path]


def test_two_stages_at_once_each_in_its_folder(blend: Blend, tmp_path: Path) -> None:
    path = blend(data=PROMPTS)
    command = [sys.executable, str(LAB / "prepare_rl.py"), str(path)]
    runs = [
        subprocess.Popen([*command, str(tmp_path / "out" / name)], stderr=subprocess.PIPE)
        for name in ("a", "b")
    ]
    assert [run.wait(timeout=200) for run in runs] == [0, 0]
    for run in runs:
        assert run.stderr is not None
        run.stderr.close()
    (first,) = (tmp_path / "out" / "a").iterdir()
    (second,) = (tmp_path / "out" / "b").iterdir()
    assert first.name == second.name
    assert (first / "train.jsonl").read_bytes() == (second / "train.jsonl").read_bytes()


def test_runs_that_race_for_one_folder_finish_it_once(blend: Blend, tmp_path: Path) -> None:
    path, out = blend(data=PROMPTS), tmp_path / "out"
    command = [sys.executable, str(LAB / "prepare_rl.py"), str(path), str(out)]
    runs = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    ends = [(run.communicate(timeout=200)[1], run.returncode) for run in runs]
    assert 0 in [code for _, code in ends]
    for text, code in ends:
        assert code == 0 or "Another run" in text
    (finished,) = out.iterdir()
    assert (finished / "receipt.json").is_file()


def test_an_output_folder_that_cannot_be_made_is_one_sentence(blend: Blend, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"The output cannot be written: .*Set output_dir"):
        prepare(blend(data=PROMPTS), tmp_path / "file" / "out")


def test_the_lock_dies_with_its_process_not_with_its_file(tmp_path: Path) -> None:
    with (
        directory_lock(tmp_path / "out", timeout_s=0),
        (tmp_path / "out" / ".lock").open() as same,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(same, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert not (tmp_path / "out").exists()


def test_inputs_are_found_in_the_working_directory_first_then_beside_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe, work = tmp_path / "recipe", tmp_path / "work"
    for folder in (recipe, work):
        folder.mkdir()
    (recipe / "blend.json").write_text("{}")
    monkeypatch.chdir(work)
    config = RlPrepConfig(blend=Path("blend.json"), output_dir=Path("out"))
    assert resolve_inputs(config, recipe).blend == recipe / "blend.json"
    (work / "blend.json").write_text("{}")
    assert resolve_inputs(config, recipe).blend == work / "blend.json"
    lost = RlPrepConfig(blend=Path("lost.json"), output_dir=Path("out"))
    with pytest.raises(
        ConfigError, match=r"blend: There is no .*work/lost\.json nor .*recipe/lost"
    ):
        resolve_inputs(lost, recipe)


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ((0.5, 0.1, 0.1), "split: The split ratios .* add up to 1"),
        ((1.2, -0.1, -0.1), "split: The split ratios .* between 0 and 1"),
        ((0, 0.5, 0.5), r"split\.train: The training split must not be empty"),
    ],
)
def test_split_ratios_that_make_no_sense_are_refused(
    ratios: tuple[float, float, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        SplitRatios(train=ratios[0], valid=ratios[1], test=ratios[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers: 0 must be at least 1"),
        ({"shard_size_bytes": -1}, "shard_size_bytes: -1 must be at least 1"),
        ({"lock_timeout_s": -1}, "lock_timeout_s: -1 is no waiting time"),
    ],
)
def test_values_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RlPrepConfig(blend=Path("b"), output_dir=Path("o"), **options)
