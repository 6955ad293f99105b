"""Run ssh and rsync: bounded in time, without a terminal to ask on, with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
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
    command: Sequence[str], *, timeout_s: float, given: bytes | Path = b"", cwd: Path | None = None
) -> Finished:
    """Run a program to its end, or end it and what it started when its time is over.

    It gets a session of its own, so that ssh finds no terminal to ask a question on.

    Args:
        command: The program and its arguments.
        timeout_s: How long it may take.
        given: What it reads, or a file with that; nothing by default.
        cwd: Where it runs.

    Raises:
        TransferError: It is not installed.
        TooSlowError: It took too long.
    """
    if isinstance(given, Path):
        with given.open("rb") as stream:
            return _run(command, timeout_s, stream.fileno(), None, cwd)
    return _run(command, timeout_s, subprocess.PIPE if given else subprocess.DEVNULL, given, cwd)


def _run(
    command: Sequence[str], timeout_s: float, stdin: int, given: bytes | None, cwd: Path | None
) -> Finished:
    try:
        process = subprocess.Popen(  # noqa: S603 - a list, no shell
            list(command),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise TransferError(
            f"{command[0]} is not installed.",
            hint=f"Install {command[0]}, or send the archive that CodePackager.package() writes.",
        ) from error
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


def _text(printed: bytes) -> str:
    return os.fsdecode(printed)
