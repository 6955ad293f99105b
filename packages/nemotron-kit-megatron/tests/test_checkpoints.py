from __future__ import annotations

from pathlib import Path

import pytest

from nemotron_kit_megatron import checkpoint_saved


@pytest.mark.parametrize(
    ("folder", "reported", "iteration"),
    [
        ("iter_0001000", 1000, 1000),
        ("iter_0001000", 1050, 1000),
        ("iter_12345678", 1, 12345678),
        ("final", 77, 77),
        ("iter_0001000.tmp", 77, 77),
    ],
)
def test_the_directory_says_which_step_it_holds(folder, reported, iteration):
    event = checkpoint_saved(f"/nemo_run/pretrain/{folder}", "/nemo_run/pretrain", reported)
    assert event.iteration == iteration
    assert event.path == Path("/nemo_run/pretrain", folder)
    assert event.save_dir == Path("/nemo_run/pretrain")
    assert (event.framework, event.format) == ("megatron-bridge", "megatron")


def test_relative_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    event = checkpoint_saved("out/iter_0000010", "out", 10)
    assert event.path == tmp_path / "out" / "iter_0000010"
    assert event.save_dir == tmp_path / "out"
