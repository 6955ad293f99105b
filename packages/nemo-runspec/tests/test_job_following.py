from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from nemo_runspec.errors import TransferError
from nemo_runspec.execution.jobs import JobRecord, JobStatus, OutputChunk
from nemo_runspec.execution.jobs.ended import ask_once, keep_end, kept_end
from nemo_runspec.execution.jobs.following import Follower, Listener, Pace
from nemo_runspec.execution.jobs.output import joined, read_local_files
from nemo_runspec.execution.jobs.status import OutputPosition
from nemo_runspec.run_result import RunResult

AT_ONCE = Pace(output_s=0, status_s=0, waiting_s=0, retry_s=0)
PENDING = JobStatus("pending", reason="No nodes are free.")
RUNNING = JobStatus("running", reason="On n1.")
DONE = JobStatus("succeeded", 0)
LOST = TransferError("The connection was lost.")


class Scheduler:
    """A scheduler that gives the answers it was told to, the last one for ever."""

    def __init__(
        self, answers: Iterable[JobStatus | Exception], printed: Iterable[bytes | Exception] = ()
    ) -> None:
        self._answers = list(answers)
        self._printed = list(printed)
        self.asked = 0
        self.cancelled = False

    def status(self, _record: JobRecord) -> JobStatus:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def read_output(self, _record: JobRecord, position: OutputPosition) -> OutputChunk:
        news = self._printed.pop(0) if self._printed else b""
        if isinstance(news, Exception):
            raise news
        return OutputChunk(news, position)

    def cancel(self, _record: JobRecord) -> None:
        self.cancelled = True

    def result(self, _record: JobRecord) -> RunResult:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return RunResult(summary={"steps": 3})


@pytest.fixture
def record(tmp_path: Path) -> JobRecord:
    return JobRecord(
        id="demo/1",
        recipe="demo",
        output="demo-model",
        run_dir=tmp_path,
        profile="dgx",
        executor="slurm",
        mode="run",
        submitted_at="2026-11-21T10:00:00+00:00",
        job_dir=str(tmp_path),
        log_pattern=str(tmp_path / "log-*.out"),
        scheduler_id="7",
    )


def follow(
    record: JobRecord, scheduler: Scheduler, pace: Pace = AT_ONCE, *, tail: int | None = None
) -> tuple[JobStatus, str, list[str]]:
    printed: list[bytes] = []
    told: list[str] = []
    listener = Listener(printed.append, told.append)
    status = Follower(record, scheduler, listener, pace, tail=tail).follow()
    return status, b"".join(printed).decode(), told


def test_changes_are_told_once(record: JobRecord) -> None:
    scheduler = Scheduler([PENDING, PENDING, RUNNING, RUNNING, DONE])
    status, _, told = follow(record, scheduler)
    assert status == DONE
    assert told == ["The job waits. No nodes are free.", "The job runs. On n1."]


def test_another_reason_to_wait_is_told(record: JobRecord) -> None:
    later = JobStatus("pending", reason="Jobs with a higher priority come first.")
    _, _, told = follow(record, Scheduler([PENDING, later, DONE]))
    assert told[1] == "The job waits. Jobs with a higher priority come first."


def test_a_requeued_job_is_followed_on(record: JobRecord) -> None:
    again = JobStatus("pending", reason="Its time to begin has not come yet.", restarts=1)
    running = JobStatus("running", reason="On n2.", restarts=1)
    _, _, told = follow(record, Scheduler([RUNNING, again, running, DONE]))
    assert told == [
        "The job runs. On n1.",
        "The job was put back into the queue (restart 1).",
        "The job waits. Its time to begin has not come yet.",
        "The job runs. On n2.",
    ]


def test_a_restart_that_was_missed_is_told_with_what_is_known(record: JobRecord) -> None:
    running = JobStatus("running", reason="On n1.", restarts=2)
    _, _, told = follow(record, Scheduler([RUNNING, running, DONE]))
    assert told[1:] == [
        "The job was put back into the queue (restart 2).",
        "The job runs. On n1.",
    ]


def test_what_is_printed_last_is_passed_on(record: JobRecord) -> None:
    scheduler = Scheduler([RUNNING, RUNNING, DONE], [b"one ", b"", b"two ", b"", b"three", b""])
    assert follow(record, scheduler)[1] == "one two three"


def test_last_lines_that_come_late_are_waited_for(record: JobRecord) -> None:
    scheduler = Scheduler([DONE], [b"one ", b"", b"late"])
    pace = Pace(output_s=0, status_s=0, waiting_s=0, settling_s=0.01)
    assert follow(record, scheduler, pace)[1] == "one late"


def test_a_job_that_ends_before_it_starts_ends_the_following(record: JobRecord) -> None:
    cancelled = JobStatus("cancelled", reason="It was cancelled by ada before it started.")
    status, printed, told = follow(record, Scheduler([PENDING, cancelled]))
    assert (status.command_code, printed, len(told)) == (130, "", 1)


def test_an_outage_is_told_once_and_waited_out(record: JobRecord) -> None:
    scheduler = Scheduler([RUNNING, LOST, LOST, LOST, RUNNING, DONE])
    status, _, told = follow(record, scheduler)
    assert status == DONE
    assert told[1] == ("The connection was lost. The job goes on; trying again until it answers.")
    assert told[2].startswith("Connected again after ")
    assert len(told) == 3


def test_an_outage_between_two_parts_of_the_output_loses_nothing(record: JobRecord) -> None:
    scheduler = Scheduler([RUNNING, RUNNING, RUNNING, DONE], [b"one ", LOST, b"two"])
    assert follow(record, scheduler)[1] == "one two"


def test_a_result_is_asked_for_until_the_machine_answers(record: JobRecord) -> None:
    told: list[str] = []
    listener = Listener(lambda _data: None, told.append)
    follower = Follower(record, Scheduler([LOST, LOST, DONE]), listener, AT_ONCE)
    assert follower.result().summary == {"steps": 3}
    assert len(told) == 2


def test_a_state_that_is_not_known_is_no_end(record: JobRecord) -> None:
    unknown = JobStatus("unknown", reason="Slurm does not answer: timeout.")
    answers = [RUNNING, unknown, unknown, RUNNING, unknown, PENDING, DONE]
    status, _, told = follow(record, Scheduler(answers))
    assert status == DONE
    shown = [re.sub(r"\d\d:\d\d:\d\d", "TIME", sentence) for sentence in told]
    silent = (
        "The job's state is not known since TIME. Slurm does not answer: timeout. "
        "Asking until it is."
    )
    back = "The job's state is known again after 0 s."
    runs, waits = "The job runs. On n1.", "The job waits. No nodes are free."
    assert shown == [runs, silent, back, silent, back, waits]


def test_the_end_of_each_task_of_an_array_is_told_once(record: JobRecord) -> None:
    failed = JobStatus("failed", 3, "It ended with exit code 3.")
    running = replace(RUNNING, tasks={"0": RUNNING, "1": RUNNING})
    first_ended = replace(RUNNING, tasks={"0": failed, "1": RUNNING})
    ended = replace(failed, tasks={"0": failed, "1": DONE})
    _, _, told = follow(record, Scheduler([running, first_ended, first_ended, ended]))
    assert told == ["The job runs. On n1.", "Task 0 failed. It ended with exit code 3."]


def test_a_job_that_nobody_knows_is_given_time_to_turn_up(record: JobRecord) -> None:
    lost = JobStatus("lost", reason="Nobody knows it.")
    patient = Pace(output_s=0, status_s=0, waiting_s=0, patience_s=600)
    assert follow(record, Scheduler([lost, lost, RUNNING, lost, DONE]), patient)[0] == DONE
    assert follow(record, Scheduler([RUNNING, lost]))[0] == lost


def test_an_exit_code_that_appears_is_asked_about_at_once(record: JobRecord) -> None:
    class Ended(Scheduler):
        def read_output(self, record: JobRecord, position: OutputPosition) -> OutputChunk:
            return OutputChunk(super().read_output(record, position).data, position, ended=True)

    seldom = Pace(output_s=0, status_s=3600, waiting_s=3600)
    scheduler = Ended([RUNNING, DONE])
    assert follow(record, scheduler, seldom)[0] == DONE


def test_the_tail_is_the_last_lines_of_what_was_there(record: JobRecord) -> None:
    printed = [b"1\n2\n", b"3\n4\n", b"", b"5\n"]
    assert follow(record, Scheduler([RUNNING, DONE], list(printed)), tail=2)[1] == "3\n4\n5\n"
    assert follow(record, Scheduler([RUNNING, DONE], list(printed)), tail=0)[1] == "5\n"


def test_an_interrupted_follower_goes_on_where_it_was(record: JobRecord) -> None:
    class Interrupted(Scheduler):
        def status(self, record: JobRecord) -> JobStatus:
            if self.asked == 1:
                self.asked += 1
                raise KeyboardInterrupt
            return super().status(record)

    scheduler = Interrupted([RUNNING, RUNNING, DONE], [b"one ", b"", b"two"])
    printed: list[bytes] = []
    follower = Follower(record, scheduler, Listener(printed.append, lambda _: None), AT_ONCE)
    with pytest.raises(KeyboardInterrupt):
        follower.follow()
    assert follower.follow() == DONE
    assert b"".join(printed) == b"one two"


def test_how_a_job_ended_is_asked_once(record: JobRecord) -> None:
    scheduler = Scheduler([RUNNING, JobStatus("failed", 3, "It ended with exit code 3.", "FAILED")])
    assert ask_once(record, scheduler).state == "running"
    assert kept_end(record) is None
    ended = ask_once(record, scheduler)
    assert ended == kept_end(record) == ask_once(record, scheduler)
    assert scheduler.asked == 2


def test_a_lost_job_may_be_found_later(record: JobRecord) -> None:
    scheduler = Scheduler([JobStatus("lost"), DONE])
    assert [ask_once(record, scheduler).state for _ in range(2)] == ["lost", "succeeded"]


def test_a_damaged_end_names_its_file(record: JobRecord) -> None:
    keep_end(record, DONE)
    (record.run_dir / "status.json").write_text("{")
    with pytest.raises(Exception, match=r"status\.json: How the job ended cannot be read"):
        kept_end(record)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (JobStatus("succeeded", 0), 0),
        (JobStatus("failed", 3), 3),
        (JobStatus("failed", None), 1),
        (JobStatus("failed", 0), 1),
        (JobStatus("timed_out", 143), 124),
        (JobStatus("cancelled", None), 130),
        (JobStatus("lost"), 1),
        (JobStatus("unknown"), 1),
    ],
)
def test_a_command_ends_as_its_job_does(status: JobStatus, code: int) -> None:
    assert status.command_code == code


def test_files_are_read_on_as_they_grow_and_a_new_one_is_named(tmp_path: Path) -> None:
    pattern = str(tmp_path / "log-*.out")
    first, second = tmp_path / "log-x_7_0.out", tmp_path / "log-x_7_1.out"
    empty = read_local_files(pattern, OutputPosition())
    assert empty.data == b""
    first.write_bytes(b"one\nha")
    chunk = read_local_files(pattern, empty.position)
    assert chunk.data == b"one\nha"
    first.write_bytes(b"one\nhalf\n")
    second.write_bytes(b"again\n")
    chunk = read_local_files(pattern, chunk.position)
    assert chunk.data == b"lf\n\n==> log-x_7_1.out <==\nagain\n"
    assert read_local_files(pattern, chunk.position).data == b""


def test_a_file_that_begins_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    file = tmp_path / "log.txt"
    file.write_bytes(b"a long line\n")
    position = read_local_files(str(file), OutputPosition()).position
    file.write_bytes(b"short\n")
    assert read_local_files(str(file), position).data == b"short\n"


def test_a_large_file_comes_in_parts(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192
    (tmp_path / "log").write_bytes(content)
    parts: list[bytes] = []
    position = OutputPosition()
    while chunk := read_local_files(str(tmp_path / "log"), position):
        if not chunk.data:
            break
        parts.append(chunk.data)
        position = chunk.position
    assert len(parts) > 1
    assert b"".join(parts) == content


def test_files_come_in_the_order_of_their_numbers() -> None:
    parts = [("log_10.out", 0, b"ten "), ("log_9.out", 0, b"nine ")]
    assert joined(parts, OutputPosition()).data == b"nine \n==> log_10.out <==\nten "
    of_task = [("log-task_1_0.out", 0, b"one\n"), ("log-task_0_0.out", 0, b"")]
    assert joined(of_task, OutputPosition()).data == b"==> log-task_1_0.out <==\none\n"
