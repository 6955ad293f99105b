"""What Slurm says of a job, as a status and a sentence."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nemo_runspec.execution.jobs.reasons import SIGNAL_BASE, described_exit
from nemo_runspec.execution.jobs.status import JobState, JobStatus

_PAIR = re.compile(
    r"(?:^|\s)(JobState|Reason|ExitCode|NodeList|Restarts|TimeLimit|ArrayTaskId)=(\S*)"
)
_NOTHING = frozenset({"", "None", "(null)", "None assigned", "Unknown", "N/A"})
_USUAL_REASONS = frozenset({*_NOTHING, "NonZeroExitCode", "TimeLimit", "OutOfMemory"})

WAITING = frozenset({"PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT"})
ACTIVE = frozenset(
    {
        *("RUNNING", "COMPLETING", "CONFIGURING", "SUSPENDED", "RESIZING", "SIGNALING"),
        *("STAGE_OUT", "STOPPED"),
    }
)

_WAITS: Mapping[str, str] = {
    "Priority": "Jobs with a higher priority come first.",
    "Resources": "No nodes are free.",
    "Dependency": "A job that it depends on has not ended yet.",
    "DependencyNeverSatisfied": "It never starts: a job that it depends on ended badly. Cancel it.",
    "BeginTime": "Its time to begin has not come yet.",
    "JobHeldUser": "It is held; release it with scontrol.",
    "JobHeldAdmin": "An administrator holds it.",
    "ReqNodeNotAvail": "Nodes that it asks for are down or reserved.",
    "PartitionTimeLimit": "It asks for more time than its partition gives.",
    "PartitionNodeLimit": "It asks for more nodes than its partition has.",
    "PartitionConfig": "It asks for more than its partition has.",
    "PartitionDown": "Its partition is down.",
}
_ENDS: Mapping[str, str] = {
    "OUT_OF_MEMORY": "It needed more memory than it was given.",
    "NODE_FAIL": "A node failed",
    "BOOT_FAIL": "A node could not be started",
    "DEADLINE": "Its deadline passed before it could end.",
    "PREEMPTED": "A job that is more urgent took its nodes.",
    "REVOKED": "Another cluster took it over.",
}


@dataclass(frozen=True, slots=True)
class SlurmRow:
    """One line of Slurm about a job, or about one task of a job array.

    Attributes:
        state: Slurm's word.
        exit: ``CODE:SIGNAL``.
        reason: Slurm's reason, empty where it has none.
        nodes: Its nodes, empty before it had any.
        restarts: How often it was started again; None where this line does not say.
        time_limit: Its time limit.
        canceller: Who cancelled it, by name where that is known.
        task: Which task, or which that wait, of a job array; empty for a job that is none.
    """

    state: str
    exit: str = "0:0"
    reason: str = ""
    nodes: str = ""
    restarts: int | None = None
    time_limit: str = ""
    canceller: str | None = None
    task: str = ""


def controller_rows(printed: str) -> list[SlurmRow]:
    """Read what ``scontrol --oneliner show job`` prints."""
    rows: list[SlurmRow] = []
    for line in printed.splitlines():
        # A job's own texts come last; what it calls itself does not count.
        found = dict(reversed(_PAIR.findall(line)))
        if "JobState" not in found:
            continue
        rows.append(
            SlurmRow(
                state=found["JobState"],
                exit=found.get("ExitCode", "0:0"),
                reason=_known(found.get("Reason", "")),
                nodes=_known(found.get("NodeList", "")),
                restarts=int(found.get("Restarts") or 0),
                time_limit=found.get("TimeLimit", ""),
                task=found.get("ArrayTaskId", ""),
            )
        )
    return rows


def accounting_rows(printed: str, users: Mapping[str, str]) -> list[SlurmRow]:
    """Read what ``sacct -n -P -X -o JobID,State,ExitCode,Reason,NodeList,Timelimit`` prints.

    Args:
        printed: Its output.
        users: The names of users, by their numbers.
    """
    rows: list[SlurmRow] = []
    for line in printed.splitlines():
        cells = line.split("|")
        if len(cells) < 6:  # noqa: PLR2004 - the fields that were asked for
            continue
        state, _, by = cells[1].partition(" by ")
        rows.append(
            SlurmRow(
                state=state.rstrip("+"),
                exit=cells[2],
                reason=_known(cells[3]),
                nodes=_known(cells[4]),
                time_limit=cells[5],
                canceller=users.get(by, f"user {by}") if by else None,
                task=cells[0].partition("_")[2].strip("[]"),
            )
        )
    return rows


def status_of(rows: Sequence[SlurmRow], left: Mapping[str, int]) -> JobStatus | None:
    """The status of a job; of a job array that of the task that is farthest from having succeeded.

    Args:
        rows: What Slurm says; nothing where it does not know the job.
        left: The exit codes that tasks left, by their numbers, of a job that is no array by an
            empty text: they count where Slurm knows nothing of the task any more.
    """
    known = [(row.task, _status(row)) for row in rows]
    if all(status.finished for _, status in known):
        named = {task for task, _ in known}
        known += [(task, described_exit(code)) for task, code in left.items() if task not in named]
    if not known:
        return None
    worst_task, worst = min(known, key=_badness)
    tasks = {task: status for task, status in sorted(known, key=_in_order) if task}
    if not tasks:
        return worst
    reason = f"Task {worst_task}: {worst.reason}" if worst_task and worst.reason else worst.reason
    return replace(worst, reason=reason, tasks=tasks)


def _badness(known: tuple[str, JobStatus]) -> tuple[int, int]:
    status = known[1]
    return _RANKS.index(status.state), -(status.exit_code or 0)


def _in_order(known: tuple[str, JobStatus]) -> tuple[int, str]:
    first = re.match(r"\d*", known[0])
    return int((first and first[0]) or 0), known[0]


_RANKS: tuple[JobState, ...] = (
    *("running", "pending", "unknown", "failed", "timed_out", "cancelled", "lost", "succeeded"),
)


def _status(row: SlurmRow) -> JobStatus:
    restarts = row.restarts or 0
    if row.state in WAITING:
        return JobStatus("pending", None, _why_waiting(row), row.state, restarts)
    if row.state in ACTIVE:
        where = f"On {row.nodes}." if row.nodes else None
        return JobStatus("running", None, where, row.state, restarts)
    ended = _ended(row)
    return JobStatus(ended.state, ended.exit_code, ended.reason, row.state, restarts)


def _why_waiting(row: SlurmRow) -> str | None:
    if not row.reason:
        return None
    if row.reason in _WAITS:
        return _WAITS[row.reason]
    return f"Slurm says: {row.reason.rstrip('.')}."


def _ended(row: SlurmRow) -> JobStatus:
    code = _exit_code(row.exit)
    if row.state == "COMPLETED":
        return described_exit(code)
    if row.state == "CANCELLED":
        return JobStatus("cancelled", code or None, _how_cancelled(row))
    if row.state == "TIMEOUT":
        limit = f" of {row.time_limit}" if row.time_limit else ""
        return JobStatus("timed_out", code or None, f"Its time limit{limit} was reached.")
    if row.state == "FAILED":
        failed = described_exit(code or 1)
        why = None if row.reason in _USUAL_REASONS else f" Slurm says: {row.reason}."
        return JobStatus("failed", failed.exit_code, f"{failed.reason}{why or ''}")
    sentence = _ENDS.get(row.state, f"Slurm says: {row.state}.")
    if not sentence.endswith("."):
        sentence += f": {row.nodes}." if row.nodes else "."
    return JobStatus("failed", code or None, sentence)


def _how_cancelled(row: SlurmRow) -> str:
    if row.reason.startswith("Dependency"):
        return "It never started: a job that it depends on ended badly."
    by = f" by {row.canceller}" if row.canceller else ""
    return f"It was cancelled{by}{'' if row.nodes else ' before it started'}."


def _exit_code(text: str) -> int:
    code, _, number = text.partition(":")
    if number.isdigit() and int(number):
        return SIGNAL_BASE + int(number)
    return int(code) if code.isdigit() else 0


def _known(text: str) -> str:
    return "" if text in _NOTHING else text
