"""A Python process of its own for one page: its blocks share one namespace.

Run as a script it is that process: one JSON request a line in, one JSON reply a line out.
"""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
import traceback
import types
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Outcome:
    """What a block did.

    Attributes:
        output: What it printed.
        error: The traceback of what it raised; None where it ended well.
    """

    output: str
    error: str | None


class Interpreter:
    """Executes the blocks of one page.

    Args:
        folder: Its working directory.
        environment: Its whole environment.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def execute(self, source: str, *, file: str, line: int) -> Outcome:
        """Execute a block whose first line is a given line of a file."""
        request = {"source": "\n" * (line - 1) + source, "file": file}
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the interpreter has no pipes")
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = self._process.stdout.readline()
        if not reply:
            return Outcome("", f"the interpreter died with code {self._process.wait()}")
        return Outcome(**json.loads(reply))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve() -> None:
    """Answer requests until the input ends."""
    module = types.ModuleType("page")
    sys.modules["page"] = module
    sys.path[0] = ""
    sys.argv = ["page.py"]
    replies = sys.stdout
    for request in sys.stdin:
        reply = _execute(json.loads(request), module)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def _execute(request: dict[str, str], module: types.ModuleType) -> dict[str, str | None]:
    printed = io.StringIO()
    error = None
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(request["source"], request["file"], "exec"), vars(module))  # noqa: S102
        except BaseException:  # noqa: BLE001 - whatever a page raises is its failure
            error = traceback.format_exc()
    return {"output": printed.getvalue(), "error": error}


if __name__ == "__main__":
    serve()
