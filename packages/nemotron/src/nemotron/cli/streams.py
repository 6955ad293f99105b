"""Standard streams that take every text: those that are closed, and those that know few letters."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from nemo_runspec.errors import ExecutionError


class OutputError(ExecutionError):
    """What was found cannot be written where it was to go."""


def prepare_streams() -> None:
    """Replace streams that are closed, and spell out what another encoding has no letters for."""
    sys.stdout = _usable(sys.stdout)
    sys.stderr = _usable(sys.stderr)


def give_up_output() -> None:
    """Let nothing that is still buffered be written, and fail, when the process ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def output_failure(error: OSError) -> OutputError:
    """Say that standard output takes no more."""
    return OutputError(
        f"The output cannot be written: {error.strerror or error}.",
        where="standard output",
        hint="Free some space where it goes.",
    )


def _usable(stream: TextIO | None) -> TextIO:
    if stream is None:
        return Path(os.devnull).open("w", encoding="utf-8")
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream
