"""What tells a process from every other one, written down to ask about it later."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from nemo_runspec.atomic import write_atomically
from nemo_runspec.distributed.folders import start_time
from nemo_runspec.errors import ExecutionError

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_ZOMBIE = "Z"
_OWNER = "owner-{}.json"


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """What tells a process from every other one.

    Attributes:
        host: The machine.
        boot: Which of its boots, where it says.
        pid: The process id.
        started: When it began, in clock ticks since the boot; empty where unknown.
    """

    host: str
    boot: str
    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> ProcessMark:
        """Describe a process of this machine."""
        return cls(socket.gethostname(), _boot_id(), pid, start_time(pid))

    @property
    def elsewhere(self) -> bool:
        """Whether it belongs to another machine."""
        return self.host != socket.gethostname()

    @property
    def alive(self) -> bool:
        """Whether this very process still runs on this machine."""
        if self.boot != _boot_id():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            # The number is another user's process now.
            return False
        return start_time(self.pid) == self.started and not _is_zombie(self.pid)

    def write(self, file: Path) -> None:
        """Write the mark into a file."""
        write_atomically(file, json.dumps(asdict(self)).encode())


def claim(folder: Path) -> None:
    """Make a folder that this process works on, and say so in it; several may work on one."""
    folder.mkdir(parents=True, exist_ok=True)
    ProcessMark.of(os.getpid()).write(folder / _OWNER.format(os.getpid()))


def owners(folder: Path) -> list[ProcessMark]:
    """The processes that have claimed a folder, whether or not they still run.

    Raises:
        ExecutionError: A mark is damaged.
    """
    found = (read_mark(file) for file in folder.glob(_OWNER.format("*")))
    return [mark for mark in found if mark is not None]


def read_mark(file: Path) -> ProcessMark | None:
    """Read which process a file is about; None where there is no such file.

    Raises:
        ExecutionError: The mark is damaged.
    """
    try:
        return ProcessMark(**json.loads(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ExecutionError(f"Its process cannot be told: {error}.", where=str(file)) from error


def _boot_id() -> str:
    try:
        return _BOOT.read_text().strip()
    except OSError:
        return ""


def _is_zombie(pid: int) -> bool:
    """Whether it has ended, and only waits for a parent that never asks."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] == [_ZOMBIE]
