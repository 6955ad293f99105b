from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nemo_runspec.errors import DataError, ExecutionError
from nemo_runspec.run_result import (
    RunResult,
    read_result,
    record_artifact,
    record_error,
    record_summary,
)


def test_rows_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path))
    record_summary("tokens", 12)
    record_summary("cache", "hit")
    record_artifact({"ref": "data:v1"})
    result = read_result(tmp_path)
    assert list(result.summary.items()) == [("tokens", 12), ("cache", "hit")]
    assert result.artifacts == [{"ref": "data:v1"}]


def test_threads_lose_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: record_summary(f"row {n}", n), range(64)))
    assert len(read_result(tmp_path).summary) == 64


def test_without_a_run_directory_nothing_is_written(tmp_path: Path) -> None:
    record_summary("tokens", 12)
    assert not list(tmp_path.iterdir())
    assert read_result(tmp_path) == RunResult()


@pytest.mark.parametrize("content", ["{", json.dumps({"surprise": 1})])
def test_a_damaged_result_names_its_file(tmp_path: Path, content: str) -> None:
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(ExecutionError, match=rf"{tmp_path}/result.json: The job's result cannot"):
        read_result(tmp_path)


def test_a_failed_job_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path))
    record_error(DataError("No records.", where="a.jsonl:3", hint="Add some."))
    assert read_result(tmp_path).error == {
        "what": "No records.",
        "where": "a.jsonl:3",
        "hint": "Add some.",
    }


def test_a_result_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").touch()
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path / "run"))
    with pytest.raises(ExecutionError, match="The job's result cannot be written: File exists"):
        record_summary("tokens", 12)


def test_a_result_is_strict_json_without_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEMOTRON_RUN_DIR", str(tmp_path))
    record_summary("loss", float("nan"))
    record_summary("source", "https://user:hunter22@host/data")
    assert read_result(tmp_path).summary == {
        "loss": "NaN",
        "source": "https://user:***@host/data",
    }


RECORDS = """
import sys
from nemo_runspec.run_result import record_artifact

for number in range(25):
    record_artifact({"ref": f"model-{sys.argv[1]}:v{number}"})
"""


def test_the_processes_of_a_job_lose_no_record_of_each_other(tmp_path: Path) -> None:
    environ = os.environ | {"NEMOTRON_RUN_DIR": str(tmp_path / "run")}
    started = [
        subprocess.Popen([sys.executable, "-c", RECORDS, str(number)], env=environ)
        for number in range(4)
    ]
    assert [process.wait(timeout=200) for process in started] == [0] * 4
    refs = [entry["ref"] for entry in read_result(tmp_path / "run").artifacts]
    assert len(set(refs)) == 100
