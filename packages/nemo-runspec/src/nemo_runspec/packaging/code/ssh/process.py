"""Run ssh and rsync: bounded in time, without a terminal to ask on, with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.errors import TransferError


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended.

    Attributes:
        code: Its exit code.
        stdout: What it printed.
        stderr: What it complained about.
    """

    code: int
    stdout: str
    stderr: str


class TooSlowError(Exception):
    """A program did not end in time, and was ended."""


def run_bounded(
    command: Sequence[str],
    *,
    timeout_s: float,
    given: bytes | Path = b"",
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end, or end it and what it started when its time is over.

    It gets a session of its own, so that ssh finds no terminal to ask a question on.

    Args:
        command: The program and its arguments.
        timeout_s: How long it may take.
        given: What it reads, or a file with that; nothing by default.
        cwd: Where it runs.
        environment: All of its environment; by default this process's own in the C locale.

    Raises:
        TransferError: It is not installed.
        TooSlowError: It took too long.
    """
    variables = {**os.environ, "LC_ALL": "C"} if environment is None else dict(environment)
    if isinstance(given, Path):
        with given.open("rb") as stream:
            process = _start(command, stream.fileno(), cwd, variables)
            return _finish(process, timeout_s, None)
    stdin = subprocess.PIPE if given else subprocess.DEVNULL
    return _finish(_start(command, stdin, cwd, variables), timeout_s, given)


def _start(
    command: Sequence[str], stdin: int, cwd: Path | None, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - a list, no shell
            list(command),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=environment,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise TransferError(
            f"{command[0]} is not installed.",
            hint=f"Install {command[0]}, or send the archive that CodePackager.package() writes.",
        ) from error


def _finish(process: subprocess.Popen[bytes], timeout_s: float, given: bytes | None) -> Finished:
    with process:
        try:
            stdout, stderr = process.communicate(given or None, timeout=timeout_s)
        except subprocess.TimeoutExpired as error:
            _end(process)
            raise TooSlowError from error
        except BaseException:
            _end(process)
            raise
    return Finished(process.returncode, _text(stdout), _text(stderr))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and its children; what they still hold open is closed with them."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    # After Ctrl-C leaving its block does not wait for it.
    process.wait()


def _text(printed: bytes) -> str:
    return os.fsdecode(printed)
