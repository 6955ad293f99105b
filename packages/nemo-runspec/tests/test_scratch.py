"""Temporary folders of processes that end by themselves, and of those that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from nemo_runspec.scratch import scratch_folder

_HELD = """
import os, sys
from nemo_runspec.scratch import scratch_folder
with scratch_folder("held", parent=sys.argv[1]) as folder:
    (folder / "content").write_text("x")
    os.utime(folder, (0, 0))
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_gone_when_nobody_needs_it(tmp_path: Path) -> None:
    with scratch_folder("test", parent=str(tmp_path)) as folder:
        (folder / "file").write_text("x")

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    others = [tmp_path / "nemotron-0", tmp_path / "nemotron-scratch-of-mine"]
    for other in others:
        other.mkdir()
    os.utime(others[0], (0, 0))
    words = [sys.executable, "-c", _HELD, str(tmp_path)]
    processes = [
        subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    (killed, dead), (_, held) = [(each, _first_line(each)) for each in processes]
    killed.kill()
    killed.communicate()
    assert Path(dead, "content").exists()

    with scratch_folder("next", parent=str(tmp_path)):
        assert not Path(dead).exists()
        assert Path(held, "content").exists()
        assert all(other.exists() for other in others)

    processes[1].communicate("")
    assert not Path(held).exists()
    assert sorted(tmp_path.iterdir()) == others


def test_a_folder_that_another_process_has_just_removed_stops_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "nemotron-scratch-left"
    left.mkdir()
    os.utime(left, (0, 0))
    look = os.lstat

    def look_before_it_goes(path: str) -> os.stat_result:
        status = look(path)
        left.rmdir()
        return status

    with monkeypatch.context() as patched:
        patched.setattr("nemo_runspec.scratch.os.lstat", look_before_it_goes)
        made = scratch_folder("next", parent=str(tmp_path))
        folder = made.__enter__()
    assert folder.is_dir()
    made.__exit__(None, None, None)
    assert list(tmp_path.iterdir()) == []


def _first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_it_lies_where_temporary_files_go() -> None:
    with scratch_folder("test") as folder:
        assert folder.parent == Path(tempfile.gettempdir())
