"""What a process prints whose listener may be killed before it is done."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

_STREAMS = (1, 2)


@contextmanager
def late_prints() -> Iterator[None]:
    """Pass what is printed on when the block has ended, if somebody still listens then.

    A job is not given up half started because nobody hears that it is.
    """
    with ExitStack() as opened:
        kept = {number: opened.enter_context(tempfile.TemporaryFile()) for number in _STREAMS}
        real = {number: os.dup(number) for number in _STREAMS}
        for number, file in kept.items():
            os.dup2(file.fileno(), number)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, file in kept.items():
                os.dup2(real[number], number)
                os.close(real[number])
                file.seek(0)
                with suppress(BrokenPipeError), open(number, "wb", closefd=False) as stream:
                    stream.write(file.read())
