"""What signals do for the length of a block: end it in order, wait for it, or reach another.

Python handles signals in the main thread alone, so a block in another thread changes nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], None]

# Ctrl-C is not among them: it raises KeyboardInterrupt without help.
_ENDING = (signal.SIGTERM, signal.SIGHUP)
_EXIT_CODE_BASE = 128


@contextmanager
def handled(handlers: Mapping[signal.Signals, Handler]) -> Iterator[None]:
    """Handle signals in the block; who handled them before does so again after it.

    Args:
        handlers: The handler of each signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def orderly_end() -> Iterator[None]:
    """Let SIGTERM and SIGHUP leave the block as Ctrl-C does, so that what it started is ended.

    A second one ends the process at once. Who ignores such a signal, as under nohup, goes on
    ignoring it.

    Raises:
        SystemExit: A signal came; the exit code is 128 plus its number, as in a shell.
    """
    heeded = [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]
    with handled(dict.fromkeys(heeded, _leave)):
        yield


@contextmanager
def not_now() -> Iterator[None]:
    """Let signals that would end this process wait until the block has ended."""
    came: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        came.append(number)

    try:
        with handled(dict.fromkeys((signal.SIGINT, *_ENDING), remember)):
            yield
    finally:
        for number in came:
            signal.raise_signal(number)


def _leave(number: int, _frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    raise SystemExit(_EXIT_CODE_BASE + number)
