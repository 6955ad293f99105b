"""Jobs of Slurm, through a shell of the machine that they were submitted on."""

from __future__ import annotations

import json
import os
import re
import shlex
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.jobs.output import joined
from nemo_runspec.execution.jobs.record import JobRecord, scheduler_id_of
from nemo_runspec.execution.jobs.slurm_asking import (
    ENDED_BY_SLURM,
    EXIT_FILE,
    NEVER_HEARD_OF,
    STARTED_FILE,
    script_about,
    statuses_in,
)
from nemo_runspec.execution.jobs.status import JobStatus, OutputChunk, OutputPosition
from nemo_runspec.execution.jobs.tasks import TASK_FOLDERS, of_all_tasks
from nemo_runspec.execution.shells.base import ClusterShell
from nemo_runspec.run_result import RESULT_FILE, RunResult

_LARGEST_BYTES = 1 << 20
_ANSWER_S = 10.0

_OUTPUT = """
LC_ALL=C; export LC_ALL
cd {job_dir} 2>/dev/null && [ -f {exit_file} ] && echo ended || echo
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


_RESULTS = """
cd {job_dir} 2>/dev/null || exit 0
for folder in . {task_folders}; do
    [ -f "$folder/{file}" ] || continue
    printf '\\n::result %s\\n' "${{folder#task_}}"; cat "$folder/{file}"
done
for file in {exit_file} {exit_file}_*[0-9]; do
    [ -f "$file" ] || continue
    task=${{file#{exit_file}}}
    case "$(cat "$file")" in 0|{cancelled}) continue;; esac
    [ -e "{started_file}$task" ] || printf '\\n::unstarted %s\\n' "${{task#_}}"
done
exit 0
"""
_RESULT_MARK = re.compile(r"^::(result|unstarted) (.*)$", re.MULTILINE)


class SlurmBackend:
    """Jobs of Slurm.

    Args:
        shell: A shell of the machine that has ``scontrol``.
        answer_s: How long the controller may take to answer; left alone, ``scontrol`` waits for
            twice as long as any that is well takes.
    """

    def __init__(self, shell: ClusterShell, *, answer_s: float = _ANSWER_S) -> None:
        self._shell = shell
        self._answer_s = answer_s

    def status(self, record: JobRecord) -> JobStatus:
        """Ask the controller, then accounting, then the job's own exit code."""
        (status,) = self.statuses([record])
        return status

    def statuses(self, records: Sequence[JobRecord]) -> list[JobStatus]:
        """Ask about several jobs at once; a controller that does not answer is asked once.

        Args:
            records: Jobs of this machine's cluster.
        """
        done = self._shell.run(script_about(records, self._answer_s))
        return statuses_in(done.stdout, records, self._answer_s)

    def read_output(self, record: JobRecord, position: OutputPosition) -> OutputChunk:
        """Read what the job printed after a position."""
        folder, _, pattern = record.log_pattern.rpartition("/")
        starts = " ".join(
            f"{shlex.quote(name)}) start={read};;" for name, read in position.files.items()
        )
        script = _OUTPUT.format(
            job_dir=shlex.quote(record.job_dir),
            exit_file=EXIT_FILE,
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
        done = self._shell.run(f"scancel {shlex.quote(scheduler_id_of(record))}", check=False)
        if done.code != 0 and NEVER_HEARD_OF not in done.stderr:
            raise ExecutionError(
                f"Slurm does not cancel the job: {done.stderr.strip() or done.code}.",
                where=self._shell.where,
            )

    def result(self, record: JobRecord) -> RunResult:
        """Read what the job, or each task of an array, left in its run directory."""
        script = _RESULTS.format(
            job_dir=shlex.quote(record.job_dir),
            task_folders=TASK_FOLDERS,
            file=RESULT_FILE,
            exit_file=EXIT_FILE,
            started_file=STARTED_FILE,
            cancelled=ENDED_BY_SLURM,
        )
        _, *pieces = _RESULT_MARK.split(self._shell.run(script).stdout)
        found: dict[str, RunResult] = {}
        for left, task, text in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
            if left == "unstarted":
                found.setdefault(task, self._unstarted(record))
                continue
            try:
                found[task.strip(".")] = RunResult(**json.loads(text))
            except (ValueError, TypeError) as error:
                raise ExecutionError(
                    f"The job's result cannot be read: {error}.",
                    where=f"{self._shell.where}:{record.job_dir}/{RESULT_FILE}",
                    hint="Look at the job's log for how it ended.",
                ) from error
        return of_all_tasks(found)

    def _unstarted(self, record: JobRecord) -> RunResult:
        """What a job would have said that was not able to begin."""
        error = ExecutionError(
            "The job ended before any of its processes was started.",
            where=f"{self._shell.where}:{record.log_pattern}",
            hint="What Slurm printed there says why: a container image that cannot be had, say, or "
            "a folder to mount that is not there.",
        )
        return RunResult(error={"what": error.what, "where": error.where, "hint": error.hint})

    def copy_folder(self, record: JobRecord, name: str, destination: Path) -> None:
        """Copy a folder of the job's run directory, where it has one."""
        job_dir, quoted = shlex.quote(record.job_dir), shlex.quote(name)
        script = (
            f"cd {job_dir} || exit\n"
            f"for folder in {quoted} {TASK_FOLDERS}/{quoted}; do\n"
            '    [ -d "$folder" ] && set -- "$@" "$folder"\n'
            'done\n[ $# -eq 0 ] || tar -cf - "$@"'
        )
        packed = os.fsencode(self._shell.run(script).stdout)
        if packed:
            with tarfile.open(fileobj=BytesIO(packed)) as archive:
                archive.extractall(destination, filter="data")


def _parts(printed: bytes) -> Iterator[tuple[str, int, bytes]]:
    while printed:
        name, start, length, rest = printed.split(b"\n", 3)
        news = rest[: int(length)]
        yield os.fsdecode(name), int(start), news
        printed = rest[len(news) :]
