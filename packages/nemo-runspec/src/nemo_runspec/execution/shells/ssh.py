"""The shell of another machine: one connection, over which everything goes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from nemo_runspec.errors import TransferError
from nemo_runspec.execution.shells.base import (
    RUN_TIMEOUT_S,
    failed,
    send_contents,
    taken_folder,
)
from nemo_runspec.execution.shells.script import as_command, as_input
from nemo_runspec.packaging.code.ssh.failures import explain, too_slow
from nemo_runspec.packaging.code.ssh.process import Finished, TooSlowError, run_bounded
from nemo_runspec.packaging.code.ssh.target import SshTarget
from nemo_runspec.scratch import scratch_folder

_SSH_FAILED = 255
_AUTHENTICATION_S = 20
_END_S = 1
_BLOCK = 4096
# A socket's name has at most some hundred characters, and ssh adds a few for a moment.
_LONGEST_PARENT = 42
# The far end of the connection lives as long as its standard input is open.
_READY = b"nemotron: ready\n"
_HOLD = "exec /bin/sh -c 'echo \"nemotron: ready\"; exec cat >/dev/null'"


class SshShell:
    """Runs scripts on another machine; nothing ever waits for a password or a question.

    The connection is made when it is first needed, and again where it was lost in between.

    Args:
        target: The machine.
    """

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self._connection: _Connection | None = None

    @property
    def where(self) -> str:
        """The machine, for messages."""
        user = "" if self.target.user is None else f"{self.target.user}@"
        return f"{user}{self.target.host}"

    def run(
        self,
        script: str,
        *,
        given: bytes | Path = b"",
        environment: Mapping[str, str] | None = None,
        timeout_s: float = RUN_TIMEOUT_S,
        check: bool = True,
    ) -> Finished:
        """Run a script to its end; see :class:`ClusterShell`."""
        command, mark = as_command()
        content = given.read_bytes() if isinstance(given, Path) else given
        stdin = as_input(script, environment, mark) + content
        words = [*self._connected().words, "--", self.target.host, command]
        try:
            done = run_bounded(words, timeout_s=timeout_s, given=stdin)
        except TooSlowError as error:
            raise too_slow(self.target, timeout_s, task="answer") from error
        if done.code == _SSH_FAILED:
            raise explain(self.target, done.stderr, task="answer")
        if check and done.code != 0:
            raise failed(self.where, done)
        return done

    def send(self, folder: Path, destination: str) -> None:
        """Put the contents of a folder into a new one; see :class:`ClusterShell`."""
        done = send_contents(self, folder, destination)
        if done.code == 0:
            return
        task = f"take the folder {destination}"
        taken = taken_folder(self.where, destination, done)
        raise taken or explain(self.target, done.stderr, task=task)

    def through(self, root: str) -> SshTarget:
        """Name a folder of the machine, for a transfer that goes over this shell's connection.

        Args:
            root: The folder there.
        """
        shared = ("ControlMaster=no", f"ControlPath={self._connected().socket}")
        return replace(self.target, root=root, options=(*shared, *self.target.options))

    def close(self) -> None:
        """End the connection; a later call makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        """Give the shell itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the connection."""
        self.close()

    def _connected(self) -> _Connection:
        if self._connection is not None and self._connection.is_lost:
            self.close()
        if self._connection is None:
            self._connection = _Connection(self.target)
        return self._connection


class _Connection:
    """A connection that others share through a socket in a private folder."""

    def __init__(self, target: SshTarget) -> None:
        self._kept = ExitStack()
        folder = self._kept.enter_context(scratch_folder("ssh", parent=_socket_parent()))
        self.socket = str(folder / "s")
        self._complaints = self._kept.enter_context((folder / "complaints").open("w+b"))
        self.words = [*target.ssh, "-o", "ControlMaster=no", "-S", self.socket]
        try:
            self._process = _start(target, self.socket, self._complaints)
        except BaseException:
            self._clean()
            raise
        try:
            self._wait(target)
        except BaseException:
            self.close()
            raise

    @property
    def is_lost(self) -> bool:
        return self._process.poll() is not None

    def close(self) -> None:
        """Let the far end go; what does not end by itself is ended."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        try:
            self._process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            _kill(self._process)
        self._clean()

    def _clean(self) -> None:
        self._kept.close()

    def _wait(self, target: SshTarget) -> None:
        limit_s = target.connect_timeout_s + _AUTHENTICATION_S
        try:
            answered = _hears(self._process, _READY, limit_s)
        except TooSlowError as error:
            _kill(self._process)
            raise TransferError(
                f"{target.host} did not let us in within {limit_s} s.",
                where=str(target),
                hint=f"Look at what it waits for with: ssh -v {target.host}",
            ) from error
        if not answered:
            self._complaints.seek(0)
            complaint = os.fsdecode(self._complaints.read())
            raise explain(target, complaint, task="open a session")


def _hears(process: subprocess.Popen[bytes], word: bytes, limit_s: float) -> bool:
    """Wait for a word, which start-up files may print something before; False if it never comes.

    Raises:
        TooSlowError: It neither came nor can it be known that it never will.
    """
    ends_at, seen = time.monotonic() + limit_s, b""
    stream = process.stdout.fileno() if process.stdout is not None else -1
    while word not in seen:
        left_s = max(0.0, ends_at - time.monotonic())
        if not select.select([stream], [], [], left_s)[0]:
            raise TooSlowError
        block = os.read(stream, _BLOCK)
        if not block:
            return False
        seen += block
    return True


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _start(target: SshTarget, socket: str, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    master = ["-M", "-S", socket, "-o", "ControlPersist=no"]
    try:
        return subprocess.Popen(  # noqa: S603 - a list, no shell
            [*target.ssh, *master, "--", target.host, _HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise TransferError("ssh is not installed.", hint="Install ssh.") from error


def _socket_parent() -> str | None:
    """A folder whose paths are short enough for a socket's name."""
    return None if len(tempfile.gettempdir()) <= _LONGEST_PARENT else "/tmp"  # noqa: S108 - mkdtemp
