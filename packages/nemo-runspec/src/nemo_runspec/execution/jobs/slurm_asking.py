"""Ask Slurm about jobs, all those of one cluster at once, and read what it answers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from nemo_runspec.execution.jobs.reasons import described_exit
from nemo_runspec.execution.jobs.record import JobRecord, scheduler_id_of
from nemo_runspec.execution.jobs.slurm_state import (
    ACTIVE,
    WAITING,
    SlurmRow,
    accounting_rows,
    controller_rows,
    status_of,
)
from nemo_runspec.execution.jobs.status import JobStatus
from nemo_runspec.explaining import last_line

NEVER_HEARD_OF = "Invalid job id"
# In the run directory, once the job has ended, and from the start of its first process on. A task
# of an array adds its number: exit_code_3, started_3.
EXIT_FILE = "exit_code"
STARTED_FILE = "started"
_TOO_LATE = "124"
# An attempt that is told to end, as one that is put back into the queue is, leaves this code.
ENDED_BY_SLURM = 143
_MARK = re.compile(r"^::(controller|accounting|user|exit) (.*)$", re.MULTILINE)

# The controller is asked about each job, and its accounting about those that the controller does
# not have among those that wait or run. A controller that does not answer about one job is not
# asked about the next. An exit code is in the run directory where the job's script could end.
_SCRIPT = """
LC_ALL=C; export LC_ALL
bound=; command -v timeout >/dev/null 2>&1 && bound="timeout {limit_s:g}"
late= silent=
for id in {ids}; do
    if [ -z "$silent" ]; then
        shown=$($bound scontrol --oneliner show job "$id" 2>&1); code=$?
        case "$code $shown" in "0 "*|*"{never}"*) ;; *) silent=1;; esac
    fi
    echo "::controller $id $code"; printf '%s\\n' "$shown"
    case " $shown " in {living}) ;; *) late="$late,$id";; esac
done
[ -n "$late" ] || exit 0
told=$($bound sacct --noheader --parsable2 --allocations --jobs="${{late#,}}" \\
    --format=JobID,State%60,ExitCode,Reason,NodeList,Timelimit 2>&1)
echo "::accounting $?"; printf '%s\\n' "$told"
for uid in $(printf '%s\\n' "$told" | sed -n 's/.*CANCELLED by \\([0-9]*\\).*/\\1/p' | sort -u); do
    echo "::user $uid=$(id -nu "$uid" 2>/dev/null || echo "$uid")"
done
left() (
    cd "$2" 2>/dev/null || exit 0
    for file in {exit_file}*; do
        [ -f "$file" ] && echo "::exit $1 $file $(cat "$file")"
    done
)
{folders}
exit 0
"""


def script_about(records: Sequence[JobRecord], limit_s: float) -> str:
    """Write the script that asks about jobs.

    Args:
        records: Jobs of one cluster.
        limit_s: How long the controller, and its accounting, may take to answer.
    """
    ids = [shlex.quote(scheduler_id_of(record)) for record in records]
    folders = [shlex.quote(record.job_dir) for record in records]
    return _SCRIPT.format(
        limit_s=limit_s,
        ids=" ".join(ids),
        never=NEVER_HEARD_OF,
        exit_file=EXIT_FILE,
        living="|".join(f"*\\ JobState={state}\\ *" for state in sorted(WAITING | ACTIVE)),
        folders="\n".join(f"left {id_} {folder}" for id_, folder in zip(ids, folders, strict=True)),
    )


def statuses_in(printed: str, records: Sequence[JobRecord], limit_s: float) -> list[JobStatus]:
    """Read what the script printed.

    Args:
        printed: Its output.
        records: The jobs that it asked about.
        limit_s: How long the controller could take to answer.

    Returns:
        Where each of them stands.
    """
    answers = _Answers(limit_s)
    answers.read(printed)
    return [answers.about(scheduler_id_of(record)) for record in records]


@dataclass(slots=True)
class _Answers:
    limit_s: float
    controller: dict[str, str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    accounting: str = ""
    users: dict[str, str] = field(default_factory=dict)
    exits: dict[str, dict[str, int]] = field(default_factory=dict)

    def read(self, printed: str) -> None:
        pieces = _MARK.split(printed)
        for name, value, text in zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True):
            self._keep(name, value.split(), text.strip())

    def _keep(self, name: str, words: list[str], text: str) -> None:
        if name == "controller":
            self.controller[words[0]], self.codes[words[0]] = text, words[1]
        elif name == "accounting":
            self.accounting = text
        elif name == "user":
            number, _, user = words[0].partition("=")
            self.users[number] = user
        elif len(words) == 3 and words[2].isdigit():  # noqa: PLR2004 - job, file and code
            task = words[1].removeprefix(EXIT_FILE).removeprefix("_")
            self.exits.setdefault(words[0], {})[task] = int(words[2])

    def about(self, job: str) -> JobStatus:
        said = self.controller.get(job, "")
        shown = controller_rows(said)
        told = accounting_rows(_of_job(self.accounting, job), self.users)
        if not shown and NEVER_HEARD_OF not in said:
            return self._without_controller(job, told)
        status = status_of(_agreed(shown, told), self.exits.get(job, {}))
        return status or JobStatus(
            "lost",
            reason="Slurm does not know the job any more, keeps no accounts of it, and it left "
            "no exit code.",
        )

    def _without_controller(self, job: str, told: list[SlurmRow]) -> JobStatus:
        """What is known all the same: accounting hears of an end, and of nothing since."""
        status = status_of(told, {})
        if status is not None and status.finished:
            return status
        # Of an array other tasks may still run.
        code = self.exits.get(job, {}).get("", ENDED_BY_SLURM)
        if code != ENDED_BY_SLURM:
            return described_exit(code)
        said = last_line(self.controller.get(job, ""))
        if self.codes.get(job) == _TOO_LATE and not said:
            said = f"its controller was silent for {self.limit_s:g} s"
        return JobStatus(
            "unknown",
            reason=f"Slurm does not answer: {said or 'scontrol printed nothing'}.",
            scheduler_state=None if status is None else status.scheduler_state,
        )


def _of_job(accounting: str, job: str) -> str:
    own = re.compile(rf"{re.escape(job)}(?!\d)")
    return "\n".join(line for line in accounting.splitlines() if own.match(line))


def _agreed(controller: list[SlurmRow], accounting: list[SlurmRow]) -> list[SlurmRow]:
    """What both say; the controller is the first to know, accounting knows who cancelled.

    It also knows those tasks of an array that the controller has forgotten.
    """
    if not controller:
        return accounting
    known = {row.task for row in controller}
    forgotten = [row for row in accounting if row.task not in known]
    cancellers = {row.task: row.canceller for row in accounting if row.canceller}
    return [*(_with_canceller(row, cancellers) for row in controller), *forgotten]


def _with_canceller(row: SlurmRow, cancellers: Mapping[str, str]) -> SlurmRow:
    if row.state != "CANCELLED" or not cancellers:
        return row
    # A task that never started is not told apart from the others that wait.
    return replace(row, canceller=cancellers.get(row.task, next(iter(cancellers.values()))))
