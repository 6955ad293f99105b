"""Run a child process: its output streams through, signals reach it once, its end is known."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

from nemo_runspec.errors import ExecutionError
from nemo_runspec.signals import handled

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_SIGNAL_BASE = 128


class ChildStreams(NamedTuple):
    """Where a child's output goes: a file, a descriptor, or None for the parent's own."""

    stdout: IO[str] | IO[bytes] | int | None = None
    stderr: IO[str] | IO[bytes] | int | None = None


def run_child(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    cwd: Path,
    streams: ChildStreams,
) -> int:
    """Start a program and wait for its end.

    The child gets a process group of its own, so that a signal, Ctrl-C included, reaches it and
    its own children exactly once: through this process.

    Args:
        command: The program and its arguments; no shell reads them.
        environment: The child's whole environment.
        cwd: Its working directory.
        streams: Where its output goes.

    Returns:
        Its exit code; 128 plus the signal's number where a signal ended it.

    Raises:
        ExecutionError: It could not be started.
    """
    with _forwarded_signals() as relay:
        try:
            process = subprocess.Popen(  # noqa: S603 - the recipe's own command, as a list
                list(command),
                env=dict(environment),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=streams.stdout,
                stderr=streams.stderr,
                process_group=0,
            )
        except OSError as error:
            raise ExecutionError(
                f"The job could not be started: {error.strerror or error}.", where=command[0]
            ) from error
        relay.attach(process.pid)
        code = process.wait()
    return code if code >= 0 else _SIGNAL_BASE - code


class _Relay:
    """Passes signals on to a process group; those that come too early are kept for it."""

    def __init__(self) -> None:
        self._group: int | None = None
        self._early: list[int] = []

    def attach(self, group: int) -> None:
        self._group = group
        for number in self._early:
            self._send(number)

    def forward(self, number: int, _frame: FrameType | None) -> None:
        if self._group is None:
            self._early.append(number)
        else:
            self._send(number)

    def suspend(self, _number: int, _frame: FrameType | None) -> None:
        """Stop the job with the terminal's Ctrl-Z, and let it go on when this process does."""
        self.forward(signal.SIGSTOP, None)
        os.kill(os.getpid(), signal.SIGSTOP)
        self.forward(signal.SIGCONT, None)

    def _send(self, number: int) -> None:
        try:
            os.killpg(self._group or 0, number)
        except ProcessLookupError:
            return


@contextmanager
def _forwarded_signals() -> Iterator[_Relay]:
    relay = _Relay()
    handlers = dict.fromkeys(_FORWARDED, relay.forward) | {signal.SIGTSTP: relay.suspend}
    with handled(handlers):
        yield relay
