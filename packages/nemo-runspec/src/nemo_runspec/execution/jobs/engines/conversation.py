"""A process that is asked about one job, often: NeMo-Run and its clients are imported once."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, cast

from nemo_runspec.errors import ExecutionError, NemotronError, TransferError
from nemo_runspec.execution.nemo_run.child import ASK, child_environment, explain, require_nemo_run
from nemo_runspec.packaging.code.ssh.process import Finished
from nemo_runspec.secret_names import is_secret_key

_TIME_LIMIT_S = 120.0
_CHUNK_BYTES = 1 << 16


class Conversation:
    """Questions and answers, one after the other; a process that fails is started anew.

    Args:
        home: NeMo-Run's folder of the job.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] | None = None

    def ask(self, question: Mapping[str, Any], *, login: Mapping[str, str]) -> dict[str, Any]:
        """Ask one question.

        Args:
            question: What :mod:`nemo_runspec.execution.jobs.engines.answering` reads.
            login: What the engine wants to know of who asks; no file and no message has it.

        Raises:
            TransferError: The engine does not answer, or not in time.
            MissingDependencyError: NeMo-Run is not installed.
            NemotronError: What of ours failed in the process.
        """
        try:
            answer = self._exchange(json.dumps({**question, "login": login}).encode() + b"\n")
        except BaseException:
            self.close()
            raise
        if not answer:
            hidden = [value for name, value in login.items() if is_secret_key(name)]
            raise self._failure(hidden)
        given: dict[str, Any] = json.loads(answer)
        return given

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            with self._process as process:
                process.kill()
        if self._stderr is not None:
            self._stderr.close()
        self._process = self._stderr = None

    def _exchange(self, question: bytes) -> bytes:
        process = self._process or self._start()
        stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        try:
            stdin.write(question)
            stdin.flush()
        except BrokenPipeError:
            return b""
        return _line(stdout.fileno(), time.monotonic() + _TIME_LIMIT_S)

    def _start(self) -> subprocess.Popen[bytes]:
        require_nemo_run()
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        self._process = subprocess.Popen(  # noqa: S603 - a list, no shell
            [sys.executable, "-W", "ignore", "-m", ASK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            cwd=self.home.parent,
            env=child_environment(ASK, self.home),
            start_new_session=True,
        )
        return self._process

    def _failure(self, hidden: Iterable[str]) -> NemotronError:
        """Why the process ended, instead of answering."""
        process, stderr = cast("subprocess.Popen[bytes]", self._process), self._stderr
        code = process.wait()
        printed = b""
        if stderr is not None:
            stderr.seek(0)
            printed = stderr.read()
        self.close()
        error = explain(Finished(code, "", os.fsdecode(printed)), hidden=hidden)
        if isinstance(error, ExecutionError):
            # The engine may answer the next time; the job does not mind.
            return TransferError(error.what, hint=error.hint)
        return error


def _line(descriptor: int, deadline: float) -> bytes:
    """Read up to the end of a line, or of everything; TransferError where neither comes."""
    read = b""
    while not read.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TransferError(
                f"Nothing was found out about the job within {_TIME_LIMIT_S:g} s.",
                hint="Check the network.",
            )
        more = os.read(descriptor, _CHUNK_BYTES)
        if not more:
            return b""
        read += more
    return read
