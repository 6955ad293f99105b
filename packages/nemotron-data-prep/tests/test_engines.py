"""Choosing an engine, telling what passes from what stays, and publishing beside the undead."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from nemo_runspec.errors import ConfigError, DataError, MissingDependencyError, OutOfReachError
from nemotron_data_prep import RlPrepConfig, prepare_rl, progress
from nemotron_data_prep.engines.ray_worker import versions, work
from nemotron_data_prep.engines.work import Attempt, Failed, is_passing
from nemotron_data_prep.plan import Shard
from nemotron_data_prep.progress import (
    LogProgress,
    SilentProgress,
    TerminalProgress,
    make_progress,
)
from nemotron_data_prep.staging import (
    KnownFiles,
    fill_in_area,
    read_receipt,
    remove_leftovers,
    staging_area,
    write_receipt,
)

Blend = Callable[..., Path]
PROMPT = {
    "responses_create_params": {"input": [{"role": "user", "content": "1 + 1?"}]},
    "agent_ref": {"name": "exact_match_simple_agent"},
    "expected_answer": "2",
}
LAB = Path(__file__).parent / "lab"


def prepare(blend: Path, output: Path, **options: Any) -> Any:
    return prepare_rl(RlPrepConfig(blend=blend, output_dir=output, **options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "spark"}, r"engine: 'spark' is none of local, ray"),
        (
            {"ray_address": "10.0.0.1:6379"},
            r"ray_address: An address of a Ray cluster is given, and the engine is local",
        ),
    ],
)
def test_settings_that_name_no_engine_are_refused(
    options: dict[str, Any], message: str, blend: Blend, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        prepare(blend(data=[PROMPT]), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_without_ray_its_engine_says_what_to_install(
    blend: Blend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    match = r"engine: The engine ray needs Ray.*pip install 'nemotron-data-prep\[ray\]'"
    with pytest.raises(MissingDependencyError, match=match):
        prepare(blend(data=[PROMPT]), tmp_path / "out", engine="ray")
    assert not (tmp_path / "out").exists()


def test_more_shards_than_documents_change_nothing_but_their_number(
    blend: Blend, tmp_path: Path
) -> None:
    path = blend(data=[{**PROMPT, "id": number} for number in range(3)])
    whole = prepare(path, tmp_path / "whole")
    parts = prepare(path, tmp_path / "parts", shard_size_bytes=7, workers=2)
    assert parts.report["totals"] == whole.report["totals"]
    assert (parts.path / "train.jsonl").read_bytes() == (whole.path / "train.jsonl").read_bytes()
    assert [path.name for path in (tmp_path / "parts").iterdir()] == [parts.path.name]


def test_a_folder_that_must_not_be_written_is_one_sentence(blend: Blend, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o555)
    command = [sys.executable, str(LAB / "prepare_rl.py"), str(blend(data=[PROMPT]))]
    done = subprocess.run(
        ["unshare", "--user", *command, str(locked / "out")],  # without the rights of root
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == 1
    assert "The output cannot be written: Permission denied. Set output_dir to" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_without_its_guard_is_told_so(blend: Blend, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from nemo_runspec.script import script_main\n"
        "from nemotron_data_prep import RlPrepConfig, prepare_rl\n"
        "blend, out = map(Path, sys.argv[1:])\n"
        "config = RlPrepConfig(blend=blend, output_dir=out, workers=2, shard_size_bytes=99)\n"
        "script_main(lambda: prepare_rl(config))\n"
    )
    path = blend(data=[{**PROMPT, "id": number} for number in range(4)])
    done = subprocess.run(
        [sys.executable, str(script), str(path), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    assert "died 3 times on one shard (exit code 1)" in done.stderr
    assert "`if __name__ == '__main__':`" in done.stderr


def test_a_worker_has_one_thread_for_each_of_its_cores(tmp_path: Path) -> None:
    # One core each, and one thread beside it that waits for the end of the run.
    environment = {key: value for key, value in os.environ.items() if "THREADS" not in key}
    done = subprocess.run(
        [sys.executable, str(LAB / "threads.py")],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert "{'loaded': 'numpy', 'threads': 2}" in done.stdout, done.stderr


def test_ctrl_c_leaves_a_worker_alone_that_is_still_starting(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(LAB / "interrupted_early.py")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert "{'interrupts': 'SIG_IGN'}" in done.stdout, done.stderr
    assert "Traceback" not in done.stderr


def with_status(status: int) -> Exception:
    error = RuntimeError("refused")
    error.response = SimpleNamespace(status_code=status)  # type: ignore[attr-defined]
    return error


class TransportError(OSError):
    """As network libraries have them: an OSError without a number."""


@pytest.mark.parametrize(
    ("error", "passing"),
    [
        (ConnectionResetError(errno.ECONNRESET, "reset"), True),
        (TimeoutError("timed out"), True),
        (OutOfReachError("The Hub is offline."), True),
        (OSError(errno.EIO, "input/output error"), True),
        (OSError(errno.ESTALE, "stale file handle"), True),
        (TransportError("the connection broke"), True),
        (with_status(503), True),
        (with_status(429), True),
        (with_status(404), False),
        (OSError(errno.ENOSPC, "full"), False),
        (FileNotFoundError(errno.ENOENT, "missing"), False),
        (PermissionError(errno.EACCES, "denied"), False),
        (OSError("ZSTD decompression failed"), False),
        (gzip.BadGzipFile("not gzipped"), False),
        (io.UnsupportedOperation("seek"), False),
        (DataError("A record is invalid."), False),
        (ValueError("a defect"), False),
    ],
)
def test_what_passes_is_told_from_what_stays(error: Exception, passing: bool) -> None:  # noqa: FBT001
    wrapped = DataError("The source cannot be read.")
    wrapped.__cause__ = error
    assert is_passing(error) is passing
    assert is_passing(wrapped) is passing


def test_a_machine_with_another_version_of_a_package_takes_no_part() -> None:
    attempt = Attempt(Shard(4, 0, (), 0))
    expected = {**versions(), "tokenizers": "0.0.1"}
    outcome = work(b"never read", expected, attempt)
    assert isinstance(outcome, Failed)
    assert outcome.index == 4
    assert not outcome.passing
    assert f"versions of tokenizers: {os.uname().nodename} has {versions()['tokenizers']}" in str(
        outcome.error
    )
    assert "the one that runs the preparation 0.0.1" in str(outcome.error)


def test_a_worker_of_a_killed_run_publishes_nothing(tmp_path: Path) -> None:
    with staging_area(tmp_path / "shards") as area:
        target = tmp_path / "shards" / "shard_000000"
        undead = fill_in_area(area, "shard_000000-0", target)
        staged = undead.__enter__()
        (staged / "tokens.bin").write_bytes(b"half of the truth")
        remove_leftovers(tmp_path / "shards")  # the next run begins
        with pytest.raises(FileNotFoundError):
            write_receipt(staged, {})
        with pytest.raises(FileNotFoundError):
            undead.__exit__(None, None, None)
        with (
            pytest.raises(DataError, match=r"does not see the output folder.*Set output_dir to"),
            fill_in_area(area, "shard_000001-0", target),
        ):
            pytest.fail("an area that is gone was filled")
    assert list((tmp_path / "shards").iterdir()) == []


def test_of_two_workers_on_one_shard_either_may_be_the_last(tmp_path: Path) -> None:
    target = tmp_path / "shard_000000"
    with staging_area(tmp_path) as area:
        slow = fill_in_area(area, "shard_000000-0", target)
        staged = slow.__enter__()
        (staged / "content").write_text("same")
        write_receipt(staged, {})
        with fill_in_area(area, "shard_000000-1", target) as again:
            (again / "content").write_text("same")
            write_receipt(again, {})
        slow.__exit__(None, None, None)
    assert read_receipt(target) is not None
    assert [path.name for path in tmp_path.iterdir()] == ["shard_000000"]


def test_digests_of_finished_shards_serve_their_links_and_no_copies(tmp_path: Path) -> None:
    shard, output = tmp_path / "shard", tmp_path / "output"
    for folder in (shard, output):
        folder.mkdir()
    (shard / "train.bin").write_bytes(b"tokens")
    known = {"size_bytes": 6, "sha256": "as recorded"}
    os.link(shard / "train.bin", output / "linked.bin")
    shutil.copy(shard / "train.bin", output / "copied.bin")
    files = {"files": {"train.bin": known}}
    receipt = write_receipt(output, {}, KnownFiles([(shard, files)]))
    computed = hashlib.sha256(b"tokens").hexdigest()
    assert receipt["files"]["linked.bin"] == known
    assert receipt["files"]["copied.bin"] == {"size_bytes": 6, "sha256": computed}


@pytest.mark.parametrize("content", ["[]", "{}", '{"format_version": 1, "files": [1]}', "\x00"])
def test_a_receipt_that_makes_no_sense_is_none(content: str, tmp_path: Path) -> None:
    (tmp_path / "receipt.json").write_text(content)
    assert read_receipt(tmp_path) is None


@pytest.mark.parametrize("variable", ["RANK", "SLURM_PROCID"])
def test_ranks_above_0_are_silent(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, "0")
    assert not isinstance(make_progress("sft", 10), SilentProgress)
    monkeypatch.setenv(variable, "3")
    assert isinstance(make_progress("sft", 10), SilentProgress)


def test_a_terminal_gets_a_bar_and_a_log_plain_lines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert isinstance(make_progress("sft", 10), LogProgress)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    assert isinstance(make_progress("sft", 10), TerminalProgress)
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    lines = LogProgress("sft", 4 << 20)
    lines.skip(1 << 20)
    lines.advance(1 << 20)
    lines.close()
    assert caplog.messages == ["sft: 50% of 4.0 MiB"]
    assert terminal.getvalue() == ""


def test_a_bar_shows_after_a_while_what_is_done_and_how_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter([0.0, 1.0, 4.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    terminal = io.StringIO()
    bar = TerminalProgress("sft", 16 << 20, terminal)
    bar.skip(4 << 20)
    bar.advance(1 << 20)
    assert terminal.getvalue() == ""
    bar.advance(3 << 20)
    bar.close()
    filled, empty = "━" * 15, "─" * 15
    assert terminal.getvalue() == f"\rsft {filled}{empty}  50% 1.0 MiB/s \n"
