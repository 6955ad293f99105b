"""What Slurm says, read as it prints it: recorded from Slurm 22.05, served by stand-in programs."""

from __future__ import annotations

import getpass
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.jobs import JobRecord, JobStatus
from nemo_runspec.execution.jobs.asking import ask_all
from nemo_runspec.execution.jobs.backends import Backends, pace_of
from nemo_runspec.execution.jobs.engine import EngineBackend
from nemo_runspec.execution.jobs.following import SCHEDULER_PACE, Pace
from nemo_runspec.execution.jobs.process import ProcessBackend
from nemo_runspec.execution.jobs.slurm import SlurmBackend
from nemo_runspec.execution.jobs.status import OutputPosition
from nemo_runspec.execution.jobs.tasks import run_folders
from nemo_runspec.execution.shells import LocalShell
from nemo_runspec.run_result import RunResult

SHOWN = (
    "JobId=7 JobName=research-research.demo UserId=root(0) GroupId=root(0) MCS_label=N/A "
    "Priority=4294901759 Nice=0 Account=research QOS=normal JobState={state} Reason={reason} "
    "Dependency=(null) Requeue=1 Restarts={restarts} BatchFlag=1 Reboot=0 ExitCode={exit} "
    "RunTime=00:00:02 TimeLimit=00:01:00 TimeMin=N/A StartTime=2026-11-21T17:03:54 "
    "ReqNodeList=(null) ExcNodeList=(null) NodeList={nodes} BatchHost=n1 NumNodes=1 "
    "Command=/tmp/j.sh JobState=FAILED WorkDir=/tmp Power= \n"
)
NEVER = "slurm_load_jobs error: Invalid job id specified"
NO_ACCOUNTS = "Slurm accounting storage is disabled"


def shown(state: str, reason: str = "None", **known: object) -> str:
    usual = {"restarts": 0, "exit": "0:0", "nodes": "n1"}
    return SHOWN.format(state=state, reason=reason, **(usual | known))


class Slurm:
    """Programs of Slurm that print what they are told to, on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.say("scontrol", NEVER, code=1)
        self.say("sacct", NO_ACCOUNTS, code=1)
        self.say("scancel", "")

    def say(self, program: str, text: str, code: int = 0) -> None:
        said = self.folder / f"{program}.txt"
        said.write_text(text)
        file = self.folder / program
        file.write_text(f'#!/bin/sh\necho "$0 $*" >>{self.folder}/asked\ncat {said}\nexit {code}\n')
        file.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        lines = (self.folder / "asked").read_text().splitlines()
        return [Path(line.split()[0]).name for line in lines]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Slurm:
    made = Slurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}")
    return made


@pytest.fixture
def record(tmp_path: Path) -> JobRecord:
    job_dir = tmp_path / "a job's folder"
    job_dir.mkdir()
    return JobRecord(
        id="demo/1",
        recipe="demo",
        output="demo-model",
        run_dir=tmp_path,
        profile="dgx",
        executor="slurm",
        mode="run",
        submitted_at="2026-11-21T10:00:00+00:00",
        job_dir=str(job_dir),
        log_pattern=f"{job_dir}/log-*.out",
        scheduler_id="7",
    )


def status(record: JobRecord) -> JobStatus:
    return SlurmBackend(LocalShell()).status(record)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("Resources", "No nodes are free."),
        ("Priority", "Jobs with a higher priority come first."),
        ("None", None),
        ("QOSMaxJobsPerUserLimit", "Slurm says: QOSMaxJobsPerUserLimit."),
        ("DependencyNeverSatisfied", "It never starts: a job that it depends on ended badly."),
    ],
)
def test_a_waiting_job_says_why(
    slurm: Slurm, record: JobRecord, reason: str, sentence: str | None
) -> None:
    slurm.say("scontrol", shown("PENDING", reason, nodes=""))
    found = status(record)
    assert (found.state, found.scheduler_state) == ("pending", "PENDING")
    assert (found.reason or "").startswith(sentence or "")
    assert slurm.asked == ["scontrol"]


def test_a_running_job_says_where_and_accounting_is_left_alone(
    slurm: Slurm, record: JobRecord
) -> None:
    slurm.say("scontrol", shown("RUNNING", nodes="n[1-2]", restarts=1))
    assert status(record) == JobStatus("running", None, "On n[1-2].", "RUNNING", 1)
    slurm.say("scontrol", shown("COMPLETING", nodes="n1"))
    assert status(record).state == "running"
    assert slurm.asked == ["scontrol", "scontrol"]


@pytest.mark.parametrize(
    ("told", "ended"),
    [
        ("COMPLETED|0:0|None|n1|00:01:00", ("succeeded", 0, None)),
        ("FAILED|3:0|None|n1|00:01:00", ("failed", 3, "It ended with exit code 3.")),
        ("FAILED|0:9|None|n1|00:01:00", ("failed", 137, "SIGKILL ended it (exit code 137).")),
        ("FAILED|137:0|None|n1|00:01:00", ("failed", 137, "SIGKILL ended it (exit code 137).")),
        (
            "TIMEOUT|0:0|None|n1|00:01:00",
            ("timed_out", 124, "Its time limit of 00:01:00 was reached."),
        ),
        (
            "OUT_OF_MEMORY|0:125|None|n1|00:01:00",
            ("failed", 253, "It needed more memory than it was given."),
        ),
        ("NODE_FAIL|0:0|None|n2|00:01:00", ("failed", 1, "A node failed: n2.")),
        (
            "PREEMPTED|0:0|None|n1|00:01:00",
            ("failed", 1, "A job that is more urgent took its nodes."),
        ),
        ("CANCELLED|0:0|None|n1|00:01:00", ("cancelled", 130, "It was cancelled.")),
        ("CANCELLED by 999999|0:0|None|n1|x", ("cancelled", 130, "It was cancelled by 999999.")),
        (
            "CANCELLED|0:0|Dependency|None assigned|x",
            ("cancelled", 130, "It never started: a job that it depends on ended badly."),
        ),
        (
            "FAILED|0:0|JobLaunchFailure|n1|x",
            ("failed", 1, "It ended with exit code 1. Slurm says: JobLaunchFailure."),
        ),
        ("EATEN_BY_A_GRUE|0:0|None|n1|x", ("failed", 1, "Slurm says: EATEN_BY_A_GRUE.")),
    ],
)
def test_accounting_says_how_a_job_ended(
    slurm: Slurm, record: JobRecord, told: str, ended: tuple[str, int, str | None]
) -> None:
    slurm.say("sacct", f"7|{told}\n")
    found = status(record)
    assert (found.state, found.command_code, found.reason) == ended


def test_who_cancelled_it_is_asked_of_accounting(slurm: Slurm, record: JobRecord) -> None:
    slurm.say("scontrol", shown("CANCELLED", "BeginTime", nodes=""))
    assert status(record).reason == "It was cancelled before it started."
    slurm.say("sacct", f"7|CANCELLED by {os.getuid()}|0:0|BeginTime|None assigned|x\n")
    assert status(record).reason == (f"It was cancelled by {getpass.getuser()} before it started.")


def test_the_controller_is_believed_before_accounting(slurm: Slurm, record: JobRecord) -> None:
    slurm.say("scontrol", shown("FAILED", "NonZeroExitCode", exit="3:0"))
    slurm.say("sacct", "7|RUNNING|0:0|None|n1|00:01:00\n")
    found = status(record)
    assert (found.state, found.exit_code, found.reason) == (
        "failed",
        3,
        "It ended with exit code 3.",
    )


def test_without_accounting_the_exit_code_in_the_run_directory_counts(
    slurm: Slurm, record: JobRecord
) -> None:
    assert status(record).state == "lost"
    (Path(record.job_dir) / "exit_code").write_text("5\n")
    found = status(record)
    assert (found.state, found.exit_code, found.reason) == (
        "failed",
        5,
        "It ended with exit code 5.",
    )
    (slurm.folder / "sacct").unlink()
    assert status(record).exit_code == 5
    (Path(record.job_dir) / "exit_code").write_text("0\n")
    assert status(record) == JobStatus("succeeded", 0)


def test_the_exit_code_of_an_earlier_attempt_does_not_end_a_requeued_job(
    slurm: Slurm, record: JobRecord
) -> None:
    (Path(record.job_dir) / "exit_code").write_text("1\n")
    slurm.say("scontrol", shown("PENDING", "BeginTime", nodes="", restarts=1))
    assert status(record).state == "pending"
    slurm.say("scontrol", shown("REQUEUED", nodes="", restarts=1))
    assert status(record).state == "pending"


def test_a_controller_that_does_not_answer_is_no_end(slurm: Slurm, record: JobRecord) -> None:
    slurm.say("scontrol", "slurm_load_jobs error: Unable to contact slurm controller", code=1)
    found = status(record)
    assert (found.state, found.finished) == ("unknown", False)
    assert found.reason == (
        "Slurm does not answer: slurm_load_jobs error: Unable to contact slurm controller."
    )
    slurm.say("sacct", "7|COMPLETED|0:0|None|n1|x\n")
    assert status(record).state == "succeeded"


def test_a_controller_that_is_silent_is_asked_once_for_all_jobs(
    slurm: Slurm, record: JobRecord, tmp_path: Path
) -> None:
    slurm.folder.joinpath("scontrol").write_text(
        f"#!/bin/sh\necho scontrol >>{slurm.folder}/asked\nexec sleep 86399\n"
    )
    slurm.say("sacct", "7|RUNNING|0:0|None|n1|x\n77|FAILED|3:0|None|n1|x\n")
    records = [record]
    for number in (77, 777, 7777):
        folder = tmp_path / str(number)
        folder.mkdir()
        records.append(replace(record, scheduler_id=str(number), job_dir=str(folder)))
    (tmp_path / "777/exit_code").write_text("4\n")
    # One that was told to end may be put back into the queue.
    (tmp_path / "7777/exit_code").write_text("143\n")

    found = SlurmBackend(LocalShell(), answer_s=0.2).statuses(records)

    assert [status.state for status in found] == ["unknown", "failed", "failed", "unknown"]
    assert [status.exit_code for status in found] == [None, 3, 4, None]
    assert found[0].scheduler_state == "RUNNING"
    assert found[0].reason == "Slurm does not answer: its controller was silent for 0.2 s."
    assert slurm.asked == ["scontrol", "sacct"]


def test_jobs_of_one_cluster_are_asked_about_at_once(
    slurm: Slurm, record: JobRecord, tmp_path: Path
) -> None:
    slurm.say("sacct", "7|COMPLETED|0:0|None|n1|x\n77|FAILED|3:0|None|n1|x\n")
    records = []
    for name, number in (("a", "7"), ("b", "77"), ("c", None)):
        (tmp_path / name).mkdir()
        records.append(replace(record, run_dir=tmp_path / name, scheduler_id=number))
    local = replace(record, executor="local", run_dir=tmp_path / "d")
    with Backends() as backends:
        first = ask_all([*records[:2], local], backends)
        again = ask_all([*records[:2], records[2]], backends)

    states = [status.state for status in first if isinstance(status, JobStatus)]
    assert states == ["succeeded", "failed", "lost"]
    assert slurm.asked == ["scontrol", "scontrol", "sacct"]
    assert again[:2] == first[:2]
    assert "no number of its scheduler" in str(again[2])


def test_a_machine_without_slurm_says_so(slurm: Slurm, record: JobRecord) -> None:
    (slurm.folder / "scontrol").unlink()
    slurm.folder.joinpath("scontrol").write_text("#!/nowhere\n")
    assert status(record).state == "unknown"


def test_a_job_array_is_what_its_worst_task_is(slurm: Slurm, record: JobRecord) -> None:
    slurm.say("scontrol", shown("COMPLETED") + shown("RUNNING"))
    assert status(record).state == "running"
    slurm.say("scontrol", shown("COMPLETED") + shown("FAILED", exit="4:0"))
    assert (status(record).state, status(record).exit_code) == ("failed", 4)
    slurm.say("scontrol", shown("COMPLETED") + shown("COMPLETED"))
    assert status(record).state == "succeeded"


def test_each_task_of_an_array_is_told_by_itself(slurm: Slurm, record: JobRecord) -> None:
    def of_task(task: str, state: str, **known: object) -> str:
        return shown(state, **known).replace(
            "JobId=7 ", f"JobId=8 ArrayJobId=7 ArrayTaskId={task} "
        )

    slurm.say("scontrol", of_task("2-5", "PENDING", nodes="") + of_task("1", "RUNNING"))
    found = status(record)
    assert {name: task.state for name, task in found.tasks.items()} == {
        "1": "running",
        "2-5": "pending",
    }
    assert (found.state, found.reason) == ("running", "Task 1: On n1.")
    # The controller forgets a task some minutes after its end, whatever the others do.
    slurm.say("scontrol", of_task("10", "COMPLETED") + of_task("1", "FAILED", exit="3:0"))
    slurm.say("sacct", "7_1|RUNNING|0:0|None|n1|x\n7_2|FAILED|6:0|None|n1|x\n")
    (Path(record.job_dir) / "exit_code_0").write_text("5\n")
    (Path(record.job_dir) / "exit_code_10").write_text("9\n")
    found = status(record)
    ended = {name: (task.state, task.exit_code) for name, task in found.tasks.items()}
    assert list(ended.items()) == [
        ("0", ("failed", 5)),
        ("1", ("failed", 3)),
        ("2", ("failed", 6)),
        ("10", ("succeeded", 0)),
    ]
    assert (found.exit_code, found.reason) == (6, "Task 2: It ended with exit code 6.")
    assert JobStatus.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_what_the_tasks_of_an_array_left_is_put_together(
    slurm: Slurm, record: JobRecord, tmp_path: Path
) -> None:
    assert slurm.folder.is_dir()
    backend, job_dir = SlurmBackend(LocalShell()), Path(record.job_dir)
    assert backend.result(record) == RunResult()
    for task in ("10", "2"):
        folder = job_dir / f"task_{task}"
        (folder / "wandb-outbox").mkdir(parents=True)
        error = {"what": f"{task} is bad.", "where": None, "hint": None}
        left = {"artifacts": [{"ref": f"a:v{task}"}], "summary": {"Rows": task}, "error": error}
        (folder / "result.json").write_text(json.dumps(left, indent=2))
    found = backend.result(record)
    assert [item["ref"] for item in found.artifacts] == ["a:v2", "a:v10"]
    assert found.summary == {"Rows (task 2)": "2", "Rows (task 10)": "10"}
    assert found.error is not None
    assert found.error["what"] == "Task 2: 2 is bad."
    backend.copy_folder(record, "wandb-outbox", tmp_path / "copy")
    copied = [folder.name for folder in run_folders(tmp_path / "copy")]
    assert copied == ["copy", "task_10", "task_2"]


def test_a_job_array_without_accounting_ended_as_its_worst_task(
    slurm: Slurm, record: JobRecord
) -> None:
    for task, code in (("0", "0"), ("1", "6")):
        (Path(record.job_dir) / f"exit_code_{task}").write_text(f"{code}\n")
    assert (status(record).state, status(record).exit_code) == ("failed", 6)


def test_its_output_comes_byte_for_byte(slurm: Slurm, record: JobRecord) -> None:
    assert slurm.folder.is_dir()
    backend = SlurmBackend(LocalShell())
    assert backend.read_output(record, OutputPosition()).data == b""
    first = Path(record.job_dir) / "log-a b_7_0.out"
    first.write_bytes(bytes(range(256)))
    chunk = backend.read_output(record, OutputPosition())
    assert chunk.data == bytes(range(256))
    with first.open("ab") as stream:
        stream.write(b"more\n")
    Path(record.job_dir, "log-a b_7_1.out").write_bytes(b"again")
    chunk = backend.read_output(record, chunk.position)
    assert chunk.data == b"more\n\n==> log-a b_7_1.out <==\nagain"
    assert not chunk.ended
    Path(record.job_dir, "exit_code").write_text("0\n")
    chunk = backend.read_output(record, chunk.position)
    assert (chunk.data, chunk.ended) == (b"", True)


def test_a_result_is_read_from_the_run_directory(record: JobRecord) -> None:
    backend = SlurmBackend(LocalShell())
    assert backend.result(record).artifacts == []
    file = Path(record.job_dir) / "result.json"
    file.write_text(json.dumps({"summary": {"loss": "süß"}}))
    assert backend.result(record).summary == {"loss": "süß"}
    file.write_text("{")
    with pytest.raises(ExecutionError, match=r"result\.json: The job's result cannot be read"):
        backend.result(record)


def test_a_job_that_could_not_begin_says_so(record: JobRecord) -> None:
    backend, folder = SlurmBackend(LocalShell()), Path(record.job_dir)
    (folder / "exit_code").write_text("1\n")
    error = backend.result(record).error or {}
    assert error["what"] == "The job ended before any of its processes was started."
    assert error["where"] == f"{LocalShell().where}:{record.log_pattern}"
    assert "a container image that cannot be had" in str(error["hint"])
    (folder / "started").touch()
    assert backend.result(record).error is None
    # A job that is killed as it writes its exit code down has begun all the same.
    (folder / "exit_code").rename(folder / "exit_code.new")
    assert backend.result(record).error is None


@pytest.mark.parametrize("code", ["0", "143"])
def test_a_job_that_was_not_to_begin_says_nothing(record: JobRecord, code: str) -> None:
    Path(record.job_dir, "exit_code").write_text(f"{code}\n")
    assert SlurmBackend(LocalShell()).result(record).error is None


def test_the_task_of_an_array_that_could_not_begin_is_named(record: JobRecord) -> None:
    folder = Path(record.job_dir)
    for name, text in {"exit_code_0": "0", "started_0": "", "exit_code_1": "1"}.items():
        (folder / name).write_text(text)
    error = SlurmBackend(LocalShell()).result(record).error or {}
    assert str(error["what"]).startswith("Task 1: The job ended before any of its processes")


def test_a_folder_of_the_run_directory_is_copied(record: JobRecord, tmp_path: Path) -> None:
    backend, there = SlurmBackend(LocalShell()), Path(record.job_dir) / "wandb-outbox"
    (tmp_path / "copy").mkdir()
    backend.copy_folder(record, "wandb-outbox", tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []
    (there / "records").mkdir(parents=True)
    (there / "records" / "one.json").write_bytes(bytes(range(256)))
    backend.copy_folder(record, "wandb-outbox", tmp_path / "copy")
    copied = tmp_path / "copy" / "wandb-outbox" / "records" / "one.json"
    assert copied.read_bytes() == bytes(range(256))


def test_a_job_is_cancelled_once_it_is_known(slurm: Slurm, record: JobRecord) -> None:
    backend = SlurmBackend(LocalShell())
    backend.cancel(record)
    slurm.say("scancel", "", code=1)
    with pytest.raises(ExecutionError, match="Slurm does not cancel the job"):
        backend.cancel(record)


def test_one_machine_is_reached_through_one_connection(record: JobRecord) -> None:
    there = replace(record, ssh={"host": "login", "port": 22})
    with Backends() as backends:
        assert backends.of(there) is backends.of(replace(there, id="demo/2"))
        assert backends.of(there) is not backends.of(replace(there, ssh={"host": "login"}))
        assert isinstance(backends.of(replace(record, executor="local")), ProcessBackend)
        assert isinstance(backends.of(replace(record, executor="lepton")), EngineBackend)
    assert pace_of(record) == SCHEDULER_PACE
    assert pace_of(replace(record, executor="local")) == Pace()
    assert pace_of(replace(record, executor="lepton")).status_s > SCHEDULER_PACE.status_s
