"""Compiled modules that a later start takes over."""

from __future__ import annotations

import marshal
import os
import sys
from contextlib import suppress
from importlib.util import MAGIC_NUMBER, cache_from_source
from types import CodeType


class Bytecode:
    """Compiled modules, kept in one file of ``__pycache__`` as Python keeps its own.

    Args:
        key: Names the content: of another ``main.py`` nothing is taken.
    """

    def __init__(self, key: str) -> None:
        self.header = MAGIC_NUMBER + key.encode() + b"\n"
        self.file: str | None = None
        self.kept: dict[str, bytes] = {}
        self.made: dict[str, CodeType] = {}

    def open(self, main: str) -> None:
        """Read what is there; a file that is absent, older or damaged is as good as none."""
        try:
            state = os.stat(main)  # noqa: PTH116 - someone may have changed a text by hand
            self.header += f"{state.st_mtime_ns} {state.st_size}\n".encode()
            self.file = cache_from_source(main).removesuffix(".pyc") + ".embedded.pyc"
            with open(self.file, "rb") as stream:  # noqa: PTH123 - pathlib costs start-up time
                content = stream.read()
            if content.startswith(self.header):
                self.kept = marshal.loads(content[len(self.header) :])  # noqa: S302 - as Python does
        except (OSError, NotImplementedError, ValueError, EOFError, TypeError):
            self.kept = {}

    def get(self, path: str) -> CodeType | None:
        """Return a module's code, if it was compiled before."""
        kept = self.kept.get(path)
        if kept is None:
            return None
        found: CodeType = marshal.loads(kept)  # noqa: S302 - as Python does
        return found

    def add(self, path: str, code: CodeType) -> None:
        """Take in what was just compiled."""
        self.made[path] = code

    def save(self) -> None:
        """Write at the end of a program, where Python would write: one process of a job does."""
        ranks = (os.environ.get(name, "0") for name in ("RANK", "SLURM_PROCID"))
        if not self.made or self.file is None or sys.dont_write_bytecode or set(ranks) != {"0"}:
            return
        made = {path: marshal.dumps(code) for path, code in self.made.items()}
        content = self.header + marshal.dumps({**self.kept, **made})
        staged = f"{self.file}.{os.getpid()}"
        try:
            os.makedirs(os.path.dirname(self.file), exist_ok=True)  # noqa: PTH103, PTH120
            with open(staged, "wb") as stream:  # noqa: PTH123
                stream.write(content)
            os.replace(staged, self.file)  # noqa: PTH105
        except OSError:
            # A folder that cannot be written costs the next start some time, and nothing else.
            with suppress(OSError):
                os.unlink(staged)  # noqa: PTH108
