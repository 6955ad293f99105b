"""What a detached job of this machine does, and its end."""

from __future__ import annotations

import getpass
import json
import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

from nemo_runspec.atomic import publish_once
from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.jobs.detaching import EXIT_FILE, PROCESS_FILE
from nemo_runspec.execution.jobs.output import read_local_files
from nemo_runspec.execution.jobs.reasons import described_exit
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.jobs.status import JobStatus, OutputChunk, OutputPosition
from nemo_runspec.execution.marks import ProcessMark, read_mark
from nemo_runspec.run_result import RunResult, read_result

_CANCELLED_FILE = "cancelled.json"
_GRACE_S = 10.0
_POLL_S = 0.05


class ProcessBackend:
    """Jobs that are processes of this machine."""

    def status(self, record: JobRecord) -> JobStatus:
        """Find out whether the process lives, and how it ended where it does not."""
        ended = self._ended(record)
        if ended is not None:
            return ended
        mark = read_mark(record.run_dir / PROCESS_FILE)
        if mark is None:
            return JobStatus("lost", reason="It was never started.")
        if mark.elsewhere:
            return JobStatus("unknown", reason=f"It is a process of {mark.host}; ask there.")
        if mark.alive:
            return JobStatus("running", reason=None)
        # It may have ended between the two looks.
        return self._ended(record) or JobStatus(
            "lost",
            reason="Its process is gone and left no exit code: it was killed, for want of memory "
            "or by hand, or the machine was started anew.",
        )

    def read_output(self, record: JobRecord, position: OutputPosition) -> OutputChunk:
        """Read what the job printed after a position."""
        return read_local_files(record.log_pattern, position)

    def cancel(self, record: JobRecord) -> None:
        """End the process and all that it started; after ten seconds by force.

        Raises:
            ExecutionError: It is a process of another machine.
        """
        mark = read_mark(record.run_dir / PROCESS_FILE)
        if mark is None or self.status(record).finished:
            return
        if mark.elsewhere:
            raise ExecutionError(
                f"The job is a process of {mark.host}.", hint="Cancel it from there."
            )
        told = {"by": getpass.getuser(), "at": time.time()}
        publish_once(record.run_dir / _CANCELLED_FILE, json.dumps(told).encode())
        group = _group(mark)
        if group is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(group, signal.SIGTERM)
            _wait(mark, _GRACE_S)
            os.killpg(group, signal.SIGKILL)
            _wait(mark, _GRACE_S)

    def result(self, record: JobRecord) -> RunResult:
        """Read what the job left in its run directory."""
        return read_result(record.run_dir)

    def copy_folder(self, record: JobRecord, name: str, destination: Path) -> None:
        """Copy a folder of the job's run directory, where it has one."""
        folder = record.run_dir / name
        if folder.is_dir():
            shutil.copytree(folder, destination / name)

    def _ended(self, record: JobRecord) -> JobStatus | None:
        code = _exit_code(record.run_dir / EXIT_FILE)
        canceller = _canceller(record.run_dir)
        mark = read_mark(record.run_dir / PROCESS_FILE)
        gone = code is not None or (mark is not None and not mark.elsewhere and not mark.alive)
        if canceller is not None and gone and code != 0:
            return JobStatus("cancelled", code, f"It was cancelled by {canceller}.")
        return None if code is None else described_exit(code)


def _exit_code(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except FileNotFoundError:
        return None


def _canceller(run_dir: Path) -> str | None:
    try:
        return str(json.loads((run_dir / _CANCELLED_FILE).read_bytes())["by"])
    except FileNotFoundError:
        return None


def _group(mark: ProcessMark) -> int | None:
    try:
        return os.getpgid(mark.pid) if mark.alive else None
    except ProcessLookupError:
        return None


def _wait(mark: ProcessMark, longest_s: float) -> None:
    deadline = time.monotonic() + longest_s
    while mark.alive and time.monotonic() < deadline:
        time.sleep(_POLL_S)
