"""Daemons that run in the foreground, and end with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

_END_LIMIT_S = 90
# Where a system keeps daemons, which is on root's path only.
SBIN = "/usr/sbin:/usr/local/sbin:/sbin"


class Daemons:
    """Starts daemons, and ends them in the opposite order."""

    def __init__(self, logs: Path, environment: Mapping[str, str], stack: ExitStack) -> None:
        self._logs = logs
        self._environment = {**os.environ, **environment}
        self._environment["PATH"] = f"{SBIN}:{self._environment['PATH']}"
        self._stack = stack
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(
        self,
        name: str,
        *command: str,
        environment: Mapping[str, str] | None = None,
        ends_by: signal.Signals = signal.SIGTERM,
    ) -> None:
        """Start one; what it says goes to the file NAME.output in the folder of the logs."""
        self._running[name] = self._stack.enter_context(
            _running(
                ["setpriv", "--pdeathsig", ends_by.name.removeprefix("SIG"), "--", *command],
                self._logs / f"{name}.output",
                {**self._environment, **(environment or {})},
                ends_by,
            )
        )

    def stop(self, name: str) -> None:
        """End one that may be started again."""
        process = self._running.pop(name)
        process.terminate()
        process.wait(_END_LIMIT_S)

    def wait_until(self, what: str, happened: Callable[[], bool], limit_s: float = 60) -> None:
        """Wait for a daemon to be of use, and show the logs where it never is."""
        if not wait_until(happened, limit_s):
            raise RuntimeError(f"{what} did not come up within {limit_s} s\n{self.said()}")

    def said(self) -> str:
        """The ends of all logs."""
        ends = (
            f"--- {file.name}\n{file.read_text(errors='replace')[-3000:]}"
            for file in sorted(self._logs.iterdir())
        )
        return "\n".join(ends)


def wait_until(happened: Callable[[], bool], limit_s: float) -> bool:
    """Ask until it has happened, or until the time is over; return whether it has."""
    ends_at = time.monotonic() + limit_s
    pause_s = 0.02
    while not happened():
        if time.monotonic() > ends_at:
            return False
        time.sleep(pause_s)
        pause_s = min(0.2, pause_s * 1.5)
    return True


@contextmanager
def _running(
    command: list[str], output: Path, environment: Mapping[str, str], ends_by: signal.Signals
) -> Iterator[subprocess.Popen[bytes]]:
    with output.open("ab") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(environment)
        )
    try:
        yield process
    finally:
        process.send_signal(ends_by)
        try:
            process.wait(_END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_END_LIMIT_S)
