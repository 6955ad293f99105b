from __future__ import annotations

import json
import os
import signal
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution import RecipeRequest, plan_recipe
from nemo_runspec.execution.jobs import JobRecord, JobStatus
from nemo_runspec.execution.jobs.detaching import PROCESS_FILE, start_detached
from nemo_runspec.execution.jobs.following import Follower, Listener, Pace
from nemo_runspec.execution.jobs.process import ProcessBackend
from nemo_runspec.execution.jobs.status import OutputPosition
from nemo_runspec.execution.local import prepare_run
from nemo_runspec.execution.marks import read_mark
from nemo_runspec.runspec import parse

pytestmark = pytest.mark.exhaustive

HEADER = '# /// script\n# [tool.runspec]\n# schema = "1"\n# name = "demo/job"\n# ///\n'
BACKEND = ProcessBackend()

Start = Callable[..., JobRecord]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a script as a detached job; whatever still runs at the end is ended."""
    started: list[JobRecord] = []

    def run(body: str, *, startup: tuple[str, ...] = (), **variables: str) -> JobRecord:
        script = tmp_path / "recipe.py"
        script.write_text(HEADER + textwrap.dedent(body))
        (tmp_path / "config").mkdir(exist_ok=True)
        (tmp_path / "config" / "default.yaml").write_text("x: 1\n")
        recipe = parse(script)
        plan = plan_recipe(RecipeRequest(recipe, cwd=tmp_path, recipes=(recipe,)))
        record = start_detached(
            prepare_run(plan),
            profile="laptop",
            mode="batch",
            environment={**os.environ, **variables},
            startup_commands=startup,
        )
        started.append(record)
        return record

    yield run
    for record in started:
        BACKEND.cancel(record)


def followed(record: JobRecord) -> tuple[JobStatus, str]:
    printed: list[bytes] = []
    listener = Listener(printed.append, lambda _sentence: None)
    pace = Pace(output_s=0.02, status_s=0.02)
    status = Follower(record, BACKEND, listener, pace).follow()
    return status, b"".join(printed).decode()


def wait_until_it_prints(record: JobRecord, word: str) -> None:
    deadline = time.monotonic() + 120
    while word.encode() not in BACKEND.read_output(record, OutputPosition()).data:
        assert time.monotonic() < deadline, "the job never printed what it should"
        time.sleep(0.01)


def test_a_job_prints_into_its_log_and_leaves_its_exit_code(start: Start) -> None:
    record = start(
        """
        import os, sys
        print("in", os.environ["NEMOTRON_RUN_DIR"])
        print(repr(os.environ["a Name".replace(" ", "_")]), file=sys.stderr)
        """,
        a_Name='it\'s $HOME\n"süß"',
    )
    status, printed = followed(record)
    assert status == JobStatus("succeeded", 0)
    assert f"in {record.run_dir}\n" in printed
    assert repr('it\'s $HOME\n"süß"') in printed
    assert (record.run_dir / "train.yaml").is_file()


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        ("raise SystemExit(7)", 7, "It ended with exit code 7."),
        ("import os; os.kill(os.getpid(), 9)", 137, "SIGKILL ended it (exit code 137)."),
    ],
)
def test_a_failed_job_says_how_it_ended(start: Start, body: str, code: int, reason: str) -> None:
    status, _ = followed(start(body))
    assert (status.state, status.exit_code, status.command_code) == ("failed", code, code)
    assert status.reason == reason


def test_a_job_is_a_session_of_its_own_without_a_terminal(start: Start) -> None:
    record = start(
        """
        import os, sys
        print("session", os.getsid(0), "stdin", repr(sys.stdin.read()))
        """
    )
    printed = followed(record)[1].split()
    assert printed[::2] == ["session", "stdin"]
    assert int(printed[1]) != os.getsid(0)
    assert printed[3] == "''"


def test_startup_commands_run_first_and_the_first_failure_is_the_end(start: Start) -> None:
    record = start("import os; print(os.environ['SET'])", startup=("export SET='a b'", "true"))
    assert followed(record)[1] == "a b\n"
    status, printed = followed(start("print('never')", startup=("false", "echo never")))
    assert (status.state, status.exit_code, printed) == ("failed", 1, "")


def test_a_cancelled_job_ends_with_all_that_it_started(start: Start) -> None:
    record = start(
        """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid, flush=True)
        time.sleep(600)
        """
    )
    wait_until_it_prints(record, "child ")
    assert BACKEND.status(record).state == "running"
    BACKEND.cancel(record)
    status, printed = followed(record)
    assert status.state == "cancelled"
    assert status.command_code == 130
    assert status.reason is not None
    assert status.reason.startswith("It was cancelled by ")
    child = int(printed.split()[1])
    assert _is_gone(child)
    BACKEND.cancel(record)
    assert BACKEND.status(record).state == "cancelled"


def test_a_job_that_ends_well_before_the_cancellation_has_ended_well(start: Start) -> None:
    record = start("print('done')")
    followed(record)
    BACKEND.cancel(record)
    assert BACKEND.status(record).state == "succeeded"


def test_a_killed_job_is_lost_not_running(start: Start) -> None:
    record = start("import time; print('up', flush=True); time.sleep(600)")
    wait_until_it_prints(record, "up")
    os.killpg(os.getpgid(int(str(record.scheduler_id))), signal.SIGKILL)
    status, _ = followed(record)
    assert (status.state, status.command_code) == ("lost", 1)
    assert status.reason is not None
    assert "left no exit code" in status.reason


def test_a_process_that_has_the_number_now_is_not_the_job(start: Start) -> None:
    record = start("import time; print('up', flush=True); time.sleep(600)")
    wait_until_it_prints(record, "up")
    file = record.run_dir / "process.json"
    mark = json.loads(file.read_text())
    file.write_text(json.dumps({**mark, "started": "1"}))
    assert BACKEND.status(record).state == "lost"
    file.write_text(json.dumps({**mark, "boot": "another"}))
    assert BACKEND.status(record).state == "lost"
    file.write_text(json.dumps(mark))
    assert BACKEND.status(record).state == "running"


def test_a_process_of_another_machine_cannot_be_asked_about(start: Start) -> None:
    record = start("import time; time.sleep(600)")
    file = record.run_dir / "process.json"
    mark = json.loads(file.read_text())
    file.write_text(json.dumps({**mark, "host": "another"}))
    status = BACKEND.status(record)
    assert (status.state, status.reason) == ("unknown", "It is a process of another; ask there.")
    with pytest.raises(ExecutionError, match="Cancel it from there"):
        BACKEND.cancel(record)
    file.write_text(json.dumps(mark))


def test_a_job_that_cannot_start_tells_why(start: Start, tmp_path: Path) -> None:
    record = start("print('up')", startup=(f"cd {tmp_path}/nowhere",))
    status, printed = followed(record)
    assert status.state == "failed"
    assert "No such file or directory" in printed


def test_a_mark_that_is_damaged_names_its_file(start: Start) -> None:
    record = start("print('up')")
    followed(record)
    file = record.run_dir / "process.json"
    mark = file.read_text()
    file.write_text("{")
    with pytest.raises(ExecutionError, match=r"process\.json: Its process cannot be told"):
        read_mark(record.run_dir / PROCESS_FILE)
    file.write_text(mark)


def _is_gone(pid: int) -> bool:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False
