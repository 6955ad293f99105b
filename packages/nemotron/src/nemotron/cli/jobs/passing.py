"""Pass on what a job prints, and what is said about it meanwhile."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from datetime import datetime

from nemotron.cli.app import App


class Passage:
    """Passes bytes on as text; a character may come in two parts.

    Args:
        write: Takes the text.
    """

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def __call__(self, data: bytes) -> None:
        """Pass on the next bytes."""
        self._write(self._decoder.decode(data))


def teller(app: App) -> Callable[[str], None]:
    """Make what says a sentence beside the output, with the time.

    Args:
        app: The invocation.
    """

    def tell(sentence: str) -> None:
        now = datetime.now().astimezone().strftime("%H:%M:%S")
        app.err.write(f"[{now}] {sentence}\n")
        app.err.flush()

    return tell
