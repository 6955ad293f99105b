"""A line that tells, on a terminal, that something takes its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

_PATIENCE_S = 2.0
_STEP_S = 1.0


@contextmanager
def waiting(stream: IO[str], what: str, *, patience_s: float = _PATIENCE_S) -> Iterator[None]:
    """Show what is being done, and for how long by now; the line is gone at the end.

    Args:
        stream: Where to show it; nothing is shown where that is no terminal.
        what: What is being done, such as ``Reading s3://bucket/artifacts``.
        patience_s: What takes less, in seconds, shows nothing.
    """
    if not stream.isatty():
        yield
        return
    done = threading.Event()
    teller = threading.Thread(target=_tell, args=(stream, what, done, patience_s), daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()


def _tell(stream: IO[str], what: str, done: threading.Event, patience_s: float) -> None:
    started = time.monotonic()
    shown = 0
    pause_s = patience_s
    while not done.wait(pause_s):
        line = f"{what} ... {time.monotonic() - started:.0f} s"
        stream.write(f"\r{line}")
        stream.flush()
        shown = len(line)
        pause_s = _STEP_S
    if shown:
        stream.write(f"\r{' ' * shown}\r")
        stream.flush()
