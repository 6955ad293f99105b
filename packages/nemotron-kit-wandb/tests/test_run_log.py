from __future__ import annotations

from pathlib import Path

import pytest
import wandb

from nemotron_kit_wandb.run_log import log_file, read_log, write_out

ROWS = 40
BLOCK = 32 * 1024


def steps(log: Path) -> list[int]:
    return [item.history.step.num for item in read_log(log) if item.HasField("history")]


def ends(log: Path) -> bool:
    return any(item.HasField("exit") for item in read_log(log))


@pytest.fixture
def log(tmp_path):
    """The log of a run that ended, of several blocks: some rows lie across two."""
    run = wandb.init(project="nemotron", dir=tmp_path)
    for step in range(ROWS):
        run.log({"text": f"{step:05d}" * 1000})
    run.finish()
    wandb.teardown()  # 0.24.1 goes on writing after the run's end
    return log_file(run.settings.sync_dir, run.id)


def test_a_log_is_read_from_its_first_row_to_its_end(log):
    assert log.stat().st_size > 3 * BLOCK
    assert steps(log) == list(range(ROWS))
    assert ends(log)


@pytest.mark.parametrize("size", [0, 5, 7, 13, BLOCK - 3, BLOCK, BLOCK + 4, 3 * BLOCK + 99])
def test_a_log_that_breaks_off_is_read_up_to_there(log, size):
    log.write_bytes(log.read_bytes()[:size])
    found = steps(log)
    assert found == list(range(len(found)))
    assert (len(found) > 0) == (size >= BLOCK - 3)
    assert not ends(log)


def test_a_log_with_a_hole_is_read_up_to_there(log):
    content = log.read_bytes()
    log.write_bytes(content[:BLOCK] + bytes(BLOCK) + content[2 * BLOCK :])
    found = steps(log)
    assert found == list(range(len(found)))
    assert 0 < len(found) < ROWS


@pytest.mark.parametrize("at", [BLOCK // 2, BLOCK + 3, 2 * BLOCK + BLOCK // 2])
def test_a_log_that_is_damaged_is_read_up_to_there(log, at):
    content = bytearray(log.read_bytes())
    content[at] ^= 0xFF
    log.write_bytes(content)
    found = steps(log)
    assert found == list(range(len(found)))
    assert 0 < len(found) < ROWS


def test_the_last_records_are_found_from_the_end(log):
    last = list(read_log(log, last_blocks=1))
    assert any(item.HasField("exit") for item in last)
    assert 0 < len(last) < len(list(read_log(log)))


def test_what_a_run_logged_is_written_out_while_it_runs(tmp_path):
    with wandb.init(project="nemotron", dir=tmp_path) as run:
        run.log({"loss": 2.0})
        log = log_file(run.settings.sync_dir, run.id)
        assert steps(log) == []  # it is in the memory of another process
        assert write_out(run) == log
        assert steps(log) == [0]
        assert not ends(log)


def test_a_run_without_files_has_no_log(tmp_path):
    with wandb.init(project="nemotron", dir=tmp_path, mode="disabled") as run:
        assert write_out(run) is None
