"""Programs that never outlive this one: each in a process group that is ended whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from nemo_runspec.errors import ExecutionError

_SIGNAL_BASE = 128
# Below the 30 seconds that Slurm leaves between SIGTERM and SIGKILL.
_GRACE_S = 15.0
_LAST_LINES = 15
# Reads from a pipe that ends only with this process, however it ends.
_GUARD = 'read -r _; kill -KILL -- "-$1"'


class Program:
    """A program that runs, with what it starts, in a process group of its own."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log

    def ended_within(self, seconds: float) -> bool:
        """Wait for its end, and say whether it came."""
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def wait(self) -> int:
        """Wait for its end; give its exit code."""
        code = self._process.wait()
        return code if code >= 0 else _SIGNAL_BASE - code

    @property
    def exit_code(self) -> int | None:
        """Its exit code, 128 plus the signal's number where one ended it; None while it runs."""
        return None if self._process.poll() is None else self.wait()

    def last_lines(self) -> str:
        """The end of what it wrote, indented; empty where that cannot be read."""
        try:
            with self.log.open(encoding="utf-8", errors="replace") as stream:
                lines = deque(stream, maxlen=_LAST_LINES)
        except OSError:
            return ""
        return "".join(f"\n  {line.rstrip()}" for line in lines)

    def end(self) -> None:
        """End the whole group, at first politely."""
        try:
            _signal_group(self._process.pid, signal.SIGTERM)
            self.ended_within(_GRACE_S)
        finally:
            _signal_group(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def running(
    command: Sequence[str], *, log: Path, environment: Mapping[str, str]
) -> Iterator[Program]:
    """Start a program, and end it and all that it started when the block is left.

    Args:
        command: The program and its arguments; no shell reads them.
        log: The file that gets its output, anew.
        environment: Variables beside this process's own.

    Raises:
        ExecutionError: It cannot be started.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    process = _start(command, log, {**os.environ, **environment})
    program = Program(process, log)
    with _guarded(process.pid):
        try:
            yield program
        finally:
            program.end()


def _start(
    command: Sequence[str], log: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    try:
        with log.open("wb") as stream:
            return subprocess.Popen(  # noqa: S603 - the configured command, as a list
                list(command),
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise ExecutionError(
            f"{command[0]!r} could not be started: {error.strerror or error}.", where=str(log)
        ) from error


@contextmanager
def _guarded(group: int) -> Iterator[None]:
    """Have a process group killed should this process die without a chance to do it."""
    guard = subprocess.Popen(  # noqa: S603 - our own line of bash, and a number
        ["/bin/bash", "-c", _GUARD, "guard", str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()


def _signal_group(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
