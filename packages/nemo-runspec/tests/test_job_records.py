from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from nemo_runspec.errors import ExecutionError, UsageError
from nemo_runspec.execution.jobs import (
    JobRecord,
    find_record,
    list_records,
    read_record,
    write_record,
)
from nemo_runspec.execution.jobs.record import job_id


def record(folder: Path, name: str = "demo-sft/20261121T100000Z-abc123", **known: str) -> JobRecord:
    run_dir = folder / ".nemotron" / "runs" / name
    run_dir.mkdir(parents=True, exist_ok=True)
    made = JobRecord(
        id=job_id(run_dir),
        recipe="demo/sft",
        output="demo-sft-model",
        run_dir=run_dir,
        profile="dgx",
        executor="slurm",
        mode="batch",
        submitted_at=known.get("submitted_at", "2026-11-21T10:00:00+00:00"),
        job_dir="/lustre/jobs/one",
        log_pattern="/lustre/jobs/one/log-*.out",
        scheduler_id=known.get("scheduler_id", "17"),
        ssh={"host": "login", "user": "ada"},
    )
    write_record(made)
    return made


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = record(tmp_path)
    assert read_record(written.run_dir) == written
    assert written.as_dict()["ssh"] == {"host": "login", "user": "ada"}


def test_a_run_directory_may_move(tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    record(tmp_path).run_dir.rename(moved)
    assert read_record(moved).run_dir == moved


def test_a_record_of_a_later_release_may_say_more(tmp_path: Path) -> None:
    written = record(tmp_path)
    file = written.run_dir / "job.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "color": "blue"}))
    assert read_record(written.run_dir) == written


def test_a_record_of_a_later_format_is_refused(tmp_path: Path) -> None:
    written = record(tmp_path)
    file = written.run_dir / "job.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "format_version": 2}))
    with pytest.raises(ExecutionError, match="has format 2; this release reads up to 1"):
        read_record(written.run_dir)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format_version": 1}', "3"])
def test_a_damaged_record_names_its_file(tmp_path: Path, text: str) -> None:
    written = record(tmp_path)
    (written.run_dir / "job.json").write_text(text)
    with pytest.raises(ExecutionError, match=r"job\.json: The job's record cannot be read"):
        read_record(written.run_dir)


def test_a_damaged_record_hides_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    damaged = record(tmp_path, "demo-sft/20261121T100000Z-a")
    (damaged.run_dir / "job.json").write_text("{")
    sound = record(tmp_path, "demo-sft/20261121T110000Z-b")
    assert list_records(tmp_path) == [sound]
    assert "A job is left out: " in caplog.text
    assert str(damaged.run_dir) in caplog.text


def test_a_folder_without_a_record_is_no_job(tmp_path: Path) -> None:
    with pytest.raises(ExecutionError, match="There is no record of a job"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "demo-sft/20261121T100000Z-abc123",
        "20261121T100000Z-abc123",
        "20261121T1000",
        "17",
        ".nemotron/runs/demo-sft/20261121T100000Z-abc123",
    ],
)
def test_a_job_is_found_by_each_of_its_names(tmp_path: Path, text: str) -> None:
    wanted = record(tmp_path)
    record(tmp_path, "demo-sft/20261121T170000Z-abc999", scheduler_id="170")
    assert find_record(tmp_path, text) == wanted
    assert find_record(tmp_path, str(wanted.run_dir)) == wanted


def test_the_latest_is_the_one_that_was_submitted_last(tmp_path: Path) -> None:
    last = record(tmp_path, "a/1", submitted_at="2026-11-21T12:00:00+00:00")
    first = record(tmp_path, "b/2", submitted_at="2026-11-21T11:00:00+00:00")
    assert find_record(tmp_path) == last
    assert list_records(tmp_path) == [first, last]


def test_a_beginning_of_several_jobs_is_no_name(tmp_path: Path) -> None:
    record(tmp_path, "demo-sft/20261121T100000Z-a")
    record(tmp_path, "demo-sft/20261121T110000Z-b")
    with pytest.raises(UsageError, match="'demo-sft/2026' is the beginning of 2 jobs"):
        find_record(tmp_path, "demo-sft/2026")


def test_an_unknown_job_has_a_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No job was submitted from here"):
        find_record(tmp_path)
    record(tmp_path, "demo-sft/20261121T100000Z-abc123")
    with pytest.raises(UsageError, match="Did you mean 'demo-sft/20261121T100000Z-abc123'"):
        find_record(tmp_path, "demo-sft/20261121T100000Z-abd123")


def test_a_record_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    written = record(tmp_path)
    nowhere = tmp_path / "a file"
    nowhere.write_text("")
    with pytest.raises(ExecutionError, match="The job's record cannot be written"):
        write_record(replace(written, run_dir=nowhere / "x"))
