"""Jobs of Slurm, through a shell of the machine that they were submitted on."""

from __future__ import annotations

import json
import os
import re
import shlex
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.jobs.output import joined
from nemo_runspec.execution.jobs.reasons import described_exit
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.jobs.slurm_state import (
    ACTIVE,
    WAITING,
    SlurmRow,
    accounting_rows,
    controller_rows,
    status_of,
)
from nemo_runspec.execution.jobs.status import JobStatus, OutputChunk, OutputPosition
from nemo_runspec.execution.shells.base import ClusterShell
from nemo_runspec.explaining import last_line
from nemo_runspec.run_result import RESULT_FILE, RunResult

_LARGEST_BYTES = 1 << 20
_NEVER_HEARD_OF = "Invalid job id"
_MARK = re.compile(r"^::(\w+) (.*)$", re.MULTILINE)

# Slurm is asked once, and its accounting only about a job that the controller does not have among
# those that wait or run. An exit code is in the run directory where the job's script could end.
_STATUS = """
LC_ALL=C; export LC_ALL
shown=$(scontrol --oneliner show job {id} 2>&1); echo "::controller $?"; printf '%s\\n' "$shown"
case " $shown " in {living}) exit 0;; esac
told=$(sacct --noheader --parsable2 --allocations --jobs={id} \\
    --format=JobID,State%60,ExitCode,Reason,NodeList,Timelimit 2>&1)
echo "::accounting $?"; printf '%s\\n' "$told"
for uid in $(printf '%s\\n' "$told" | sed -n 's/.*CANCELLED by \\([0-9]*\\).*/\\1/p' | sort -u); do
    echo "::user $uid=$(id -nu "$uid" 2>/dev/null || echo "$uid")"
done
cd {job_dir} 2>/dev/null || exit 0
for file in exit_code*; do
    [ -f "$file" ] && echo "::exit $(cat "$file")"
done
exit 0
"""

_OUTPUT = """
LC_ALL=C; export LC_ALL
cd {job_dir} 2>/dev/null && [ -f exit_code ] && echo ended || echo
cd {folder} 2>/dev/null || exit 0
for file in {pattern}; do
    [ -f "$file" ] || continue
    start=0
    case $file in {starts} esac
    size=$(($(wc -c <"$file")))
    [ "$start" -gt "$size" ] && start=0
    news=$((size - start))
    [ "$news" -gt {largest} ] && news={largest}
    [ "$news" -gt 0 ] || continue
    printf '%s\\n%s\\n%s\\n' "$file" "$start" "$news"
    tail -c "+$((start + 1))" "$file" | head -c "$news"
done
exit 0
"""


class SlurmBackend:
    """Jobs of Slurm.

    Args:
        shell: A shell of the machine that has ``scontrol``.
    """

    def __init__(self, shell: ClusterShell) -> None:
        self._shell = shell

    def status(self, record: JobRecord) -> JobStatus:
        """Ask the controller, then accounting, then the job's own exit code."""
        script = _STATUS.format(
            id=shlex.quote(_id(record)),
            living="|".join(f"*\\ JobState={state}\\ *" for state in sorted(WAITING | ACTIVE)),
            job_dir=shlex.quote(record.job_dir),
        )
        return _Answer(self._shell.run(script).stdout).status()

    def read_output(self, record: JobRecord, position: OutputPosition) -> OutputChunk:
        """Read what the job printed after a position."""
        folder, _, pattern = record.log_pattern.rpartition("/")
        starts = " ".join(
            f"{shlex.quote(name)}) start={read};;" for name, read in position.files.items()
        )
        script = _OUTPUT.format(
            job_dir=shlex.quote(record.job_dir),
            folder=shlex.quote(folder),
            # Slurm's names have no characters that a shell reads but this one.
            pattern="*".join(map(shlex.quote, pattern.split("*"))),
            starts=starts,
            largest=_LARGEST_BYTES,
        )
        ended, _, news = os.fsencode(self._shell.run(script).stdout).partition(b"\n")
        return replace(joined(_parts(news), position), ended=bool(ended))

    def cancel(self, record: JobRecord) -> None:
        """Ask Slurm for the job's end."""
        done = self._shell.run(f"scancel {shlex.quote(_id(record))}", check=False)
        if done.code != 0 and _NEVER_HEARD_OF not in done.stderr:
            raise ExecutionError(
                f"Slurm does not cancel the job: {done.stderr.strip() or done.code}.",
                where=self._shell.where,
            )

    def result(self, record: JobRecord) -> RunResult:
        """Read what the job left in its run directory."""
        file = f"{record.job_dir}/{RESULT_FILE}"
        quoted = shlex.quote(file)
        text = self._shell.run(f"[ ! -f {quoted} ] || cat {quoted}").stdout
        if not text.strip():
            return RunResult()
        try:
            return RunResult(**json.loads(text))
        except (ValueError, TypeError) as error:
            raise ExecutionError(
                f"The job's result cannot be read: {error}.",
                where=f"{self._shell.where}:{file}",
                hint="Look at the job's log for how it ended.",
            ) from error

    def copy_folder(self, record: JobRecord, name: str, destination: Path) -> None:
        """Copy a folder of the job's run directory, where it has one."""
        job_dir, quoted = shlex.quote(record.job_dir), shlex.quote(name)
        script = f"cd {job_dir} || exit\n[ ! -d {quoted} ] || tar -cf - {quoted}"
        packed = os.fsencode(self._shell.run(script).stdout)
        if packed:
            with tarfile.open(fileobj=BytesIO(packed)) as archive:
                archive.extractall(destination, filter="data")


class _Answer:
    """What the script about a job's status printed."""

    def __init__(self, printed: str) -> None:
        pieces = _MARK.split(printed)
        marks = zip(pieces[1::3], pieces[2::3], pieces[3::3], strict=True)
        found = [(name, value, text.strip()) for name, value, text in marks]
        self._texts = {name: text for name, _, text in found}
        self._users = dict(value.split("=", 1) for name, value, _ in found if name == "user")
        self._exits = [int(value) for name, value, _ in found if name == "exit" and value.isdigit()]

    def status(self) -> JobStatus:
        controller = controller_rows(self._texts.get("controller", ""))
        accounting = accounting_rows(self._texts.get("accounting", ""), self._users)
        status = status_of(_agreed(controller, accounting))
        if status is not None:
            return status
        if self._exits:
            ended = described_exit(max(self._exits))
            return replace(ended, scheduler_state=None)
        refusal = self._texts.get("controller", "")
        if _NEVER_HEARD_OF in refusal:
            return JobStatus(
                "lost",
                reason="Slurm does not know the job any more, keeps no accounts of it, and it left "
                "no exit code.",
            )
        said = last_line(refusal) or "scontrol printed nothing"
        return JobStatus("unknown", reason=f"Slurm does not answer: {said}.")


def _agreed(controller: list[SlurmRow], accounting: list[SlurmRow]) -> list[SlurmRow]:
    """What both say; the controller is the first to know, accounting knows who cancelled."""
    if not controller:
        return accounting
    by = next((row.canceller for row in accounting if row.canceller), None)
    if by is None:
        return controller
    return [replace(row, canceller=by) if row.state == "CANCELLED" else row for row in controller]


def _parts(printed: bytes) -> Iterator[tuple[str, int, bytes]]:
    while printed:
        name, start, length, rest = printed.split(b"\n", 3)
        news = rest[: int(length)]
        yield os.fsdecode(name), int(start), news
        printed = rest[len(news) :]


def _id(record: JobRecord) -> str:
    if record.scheduler_id is None:
        raise ExecutionError("The job's record has no number of Slurm.", where=str(record.run_dir))
    return record.scheduler_id
