"""What a run of a program comes to, said so that two runs can be compared.

Files of the program are named by their place in its tree instead of on this machine; addresses
of objects are left out. Line numbers, source lines and everything else stay.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LIMIT_S = 200


@dataclass(frozen=True)
class Outcome:
    """The exit code and both streams."""

    code: int
    stdout: str
    stderr: str

    @property
    def without_stderr(self) -> tuple[int, str]:
        return self.code, self.stdout


def run(
    command: Sequence[str | Path],
    files: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
) -> Outcome:
    """Run a command as a user's shell would, and return what came of it.

    Args:
        command: The argument vector.
        files: The program's files by their place in its tree.
        cwd: The folder to run in.
        environment: Variables to set.
    """
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**plain_environment(), **(environment or {})},
        capture_output=True,
        timeout=LIMIT_S,
        check=False,
    )
    streams = [stream.decode("utf-8") for stream in (done.stdout, done.stderr)]
    return Outcome(done.returncode, *(comparable(text, files) for text in streams))


def plain_environment() -> dict[str, str]:
    """Return this process's variables without those that change how Python runs."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}


def comparable(text: str, files: Sequence[str]) -> str:
    """Name the program's files by their place in its tree, and leave addresses out."""
    known = "|".join(map(re.escape, sorted(files, key=len, reverse=True)))
    # Lazily, from the left: the longest place in the tree that a path ends with.
    path = rf"(?<![\w/.<])(?:[^\s\"'(<>]*?/)?({known})(?![\w/])"
    return re.sub(r"\b0x[0-9a-f]{6,}", "0x", re.sub(path, r"<\1>", text))
