"""What NeMo-Run can tell of a job once the process that started it has ended."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nemo_runspec.errors import TransferError
from nemo_runspec.execution.jobs import JobRecord
from nemo_runspec.execution.jobs.engine import HOME, EngineBackend
from nemo_runspec.execution.jobs.status import OutputPosition

_START = """
import json
import os
import sys
import nemo_run as run
from nemo_run.run.torchx_backend.runner import get_runner

settings = {"clean_mode": True, "skip_status_at_exit": True}
with run.Experiment("demo", id="demo_1", base_dir=os.environ["NEMORUN_HOME"], **settings) as made:
    made.add(run.Script(inline="true"), executor=run.LocalExecutor(), name="task")
    made.dryrun(log=False, exist_ok=True, delete_exp_dir=False)
    made.jobs[0].launch(wait=False, runner=get_runner(component_defaults=None, experiment=made))
    sys.stdout.write("\\n" + json.dumps(made.jobs[0].handle) + "\\n")
"""


@pytest.fixture
def record(tmp_path: Path) -> JobRecord:
    """A job that another process started with NeMo-Run's own executor for this machine."""
    return record_of(tmp_path, started(tmp_path / HOME))


def started(home: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _START],
        check=True,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "NEMORUN_HOME": str(home)},
    )
    handles = [line for line in done.stdout.splitlines() if line.startswith('"')]
    return str(json.loads(handles[-1]))


def record_of(run_dir: Path, handle: str) -> JobRecord:
    return JobRecord(
        id="demo/1",
        recipe="demo",
        output="demo-model",
        run_dir=run_dir,
        profile="box",
        executor="docker",
        mode="batch",
        submitted_at="2026-11-21T10:00:00+00:00",
        job_dir=str(run_dir / "job"),
        log_pattern=str(run_dir / "job" / "log-*.out"),
        scheduler_id=handle,
    )


def test_a_job_is_known_to_another_process(record: JobRecord) -> None:
    with EngineBackend() as backend:
        status = backend.status(record)
    assert status.state in {"pending", "running", "succeeded"}
    assert status.scheduler_state is not None


def test_a_job_that_nemo_run_forgot_is_lost_and_says_where_to_look(record: JobRecord) -> None:
    for file in (record.run_dir / HOME).glob(".*.json"):
        file.unlink()
    with EngineBackend() as backend:
        status = backend.status(record)
    assert (status.state, status.finished) == ("lost", True)
    assert status.reason is not None
    assert "look at the console of docker" in status.reason


def test_a_question_that_fails_may_be_asked_again(tmp_path: Path) -> None:
    record = record_of(tmp_path, "local_persistent://nemo_run/one")
    (tmp_path / HOME).mkdir()
    (tmp_path / HOME / ".local_jobs.json").write_text("{")
    with (
        EngineBackend() as backend,
        pytest.raises(TransferError, match="NeMo-Run could not do it"),
    ):
        backend.status(record)


def test_what_lies_on_this_machine_is_read(tmp_path: Path) -> None:
    record = record_of(tmp_path, "docker://nemo_run/one")
    backend = EngineBackend()
    assert backend.read_output(record, OutputPosition()).data == b""
    assert backend.result(record).artifacts == []
    Path(record.job_dir).mkdir()
    Path(record.job_dir, "result.json").write_text('{"summary": {"steps": 3}}')
    assert backend.result(record).summary == {"steps": 3}
