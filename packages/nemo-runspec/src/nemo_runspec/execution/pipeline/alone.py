"""One driver for a chain, and one attempt for a stage, at a time."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nemo_runspec.errors import ExecutionError
from nemo_runspec.run_result import RUN_DIR_VARIABLE

logger = logging.getLogger(__name__)

_LOCK_FILE = ".lock"
_PROCESSES = Path("/proc")


@contextmanager
def only_driver(folder: Path) -> Iterator[None]:
    """Keep other commands of this machine from running the same chain meanwhile.

    Args:
        folder: The chain's folder.

    Raises:
        ExecutionError: Another command runs it.
    """
    with (folder / _LOCK_FILE).open("ab") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExecutionError(
                "Another command runs this chain.",
                where=str(folder),
                hint="Wait for its end, or end it with Ctrl-C where it runs.",
            ) from None
        except OSError as error:
            # A file system without locks: whoever has one terminal does not need them.
            logger.debug("The chain runs without a lock: %s", error)
        yield


def processes_of(run_dir: str) -> list[int]:
    """Name the processes of this machine that belong to a job of ours, by its run directory.

    A command that was killed leaves the job that it started behind.

    Args:
        run_dir: The job's run directory.

    Returns:
        Their numbers; nothing where the system does not tell.
    """
    mark = os.fsencode(f"{RUN_DIR_VARIABLE}={run_dir}")
    found = []
    for entry in _PROCESSES.glob("[0-9]*"):
        try:
            variables = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            # It is another user's, or has ended.
            continue
        if mark in variables:
            found.append(int(entry.name))
    return sorted(found)
