"""What containers print, gathered while nobody asks for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from nemo_runspec.execution.jobs.engines.engine import Opener, Output

_LARGEST_BYTES = 1 << 20
# How long a reader waits where nothing is new, and where the engine has not answered yet.
_SILENCE_S = 1.0
_CONNECTING_S = 10.0


class Streams:
    """The output of a job's containers; each is read by a thread of its own.

    Args:
        broken: The exceptions that end a connection, and not the process.
    """

    def __init__(self, broken: tuple[type[Exception], ...]) -> None:
        self._broken = broken
        self._open: dict[str, _Stream] = {}

    def read(
        self, printed: Mapping[str, Output], positions: Mapping[str, int]
    ) -> list[tuple[str, int, bytes]]:
        """Read what is new; a moment is waited where nothing is.

        Args:
            printed: The containers that there are now.
            positions: How many bytes of each were read before.

        Returns:
            Name, where the news begins, and the news of each container.
        """
        for name, output in printed.items():
            known = self._open.get(name)
            if known is None or known.broke or (known.ended and output.goes_on):
                self._open[name] = _Stream(output.open, positions.get(name, 0), self._broken)
        began = time.monotonic()
        return [
            (name, *stream.news(positions.get(name, 0), began))
            for name, stream in self._open.items()
        ]


class _Stream:
    """One container's output behind a position."""

    def __init__(self, opener: Opener, start: int, broken: tuple[type[Exception], ...]) -> None:
        self.broke = False
        self._start = start
        self._gathered = bytearray()
        self._connected = self.ended = False
        self._changed = threading.Condition()
        threading.Thread(target=self._run, args=(opener, start, broken), daemon=True).start()

    def news(self, position: int, began: float) -> tuple[int, bytes]:
        """Where the news begins, and the news; what lies before the position is let go."""
        with self._changed:
            self._wait(self._is_open, began + _CONNECTING_S)
            self._wait(lambda: self._has(position), began + _SILENCE_S)
            read = min(max(0, position - self._start), len(self._gathered))
            del self._gathered[:read]
            self._start += read
            return self._start, bytes(self._gathered[:_LARGEST_BYTES])

    def _wait(self, enough: Callable[[], bool], deadline: float) -> None:
        self._changed.wait_for(enough, max(0.0, deadline - time.monotonic()))

    def _is_open(self) -> bool:
        return self._connected or self.ended

    def _has(self, position: int) -> bool:
        return self.ended or self._start + len(self._gathered) > position

    def _run(self, opener: Opener, skip: int, broken: tuple[type[Exception], ...]) -> None:
        try:
            chunks = opener()
            self._tell()
            for data in chunks:
                self._tell(data[skip:])
                skip = max(0, skip - len(data))
        except broken:
            self.broke = True
        finally:
            self.ended = True
            self._tell()

    def _tell(self, data: bytes = b"") -> None:
        with self._changed:
            self._connected = True
            self._gathered += data
            self._changed.notify_all()
