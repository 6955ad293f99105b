"""What a shell on the submitting machine can do, wherever that machine is."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Protocol, Self

from nemo_runspec.errors import ExecutionError
from nemo_runspec.execution.shells.archive import write_contents
from nemo_runspec.explaining import last_line
from nemo_runspec.packaging.code.ssh.process import Finished
from nemo_runspec.scratch import scratch_folder

SEND_TIMEOUT_S = 3600.0
RUN_TIMEOUT_S = 60.0

# What every login has; of the rest nothing goes on to a job.
LOGIN_VARIABLES = (
    *("HOME", "USER", "LOGNAME", "SHELL", "PATH", "LANG", "TZ"),
    "SLURM_CONF",
)
LOCALE_PREFIX = "LC_"
_STOPPED = ".stopped"


class ClusterShell(Protocol):
    """A POSIX shell on the machine that jobs are submitted on; use it in a ``with`` block."""

    @property
    def where(self) -> str:
        """The machine, for messages."""
        ...

    def run(
        self,
        script: str,
        *,
        given: bytes | Path = b"",
        environment: Mapping[str, str] | None = None,
        timeout_s: float = RUN_TIMEOUT_S,
        check: bool = True,
    ) -> Finished:
        """Run a script to its end.

        The environment is in no command line.

        Args:
            script: POSIX shell, of any length.
            given: What it reads from its standard input, or a file with that.
            environment: Variables of the script beside those of every login (``HOME``, ``PATH``,
                the locale, ``SLURM_CONF``); None for all that the shell has.
            timeout_s: How long it may take.
            check: Whether an exit code other than 0 is an error.

        Raises:
            TransferError: The machine cannot be reached, refuses the key or does not answer in
                time.
            ExecutionError: The script failed, and ``check`` is set.
        """
        ...

    def send(self, folder: Path, destination: str) -> None:
        """Put the contents of a folder into a new folder there: all of it or nothing.

        Args:
            folder: A folder of this machine; links in it stay links.
            destination: The folder there, an absolute path; what lies above it is created.

        Raises:
            TransferError: The machine cannot be reached, its disk is full, or the folder cannot
                be written to.
            ExecutionError: The folder is there already, and not empty.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def send_contents(shell: ClusterShell, folder: Path, destination: str) -> Finished:
    """Send a folder as an archive through a shell's ``run``; the exit code tells how it ended."""
    target = PurePosixPath(destination)
    above, part = shlex.quote(str(target.parent)), shlex.quote(_part(target))
    name = shlex.quote(target.name)
    script = (
        "LC_ALL=C; export LC_ALL\n"
        f"mkdir -p {above} && cd {above} || exit\n"
        "find . -maxdepth 1 -name '.*.sending.*' -mtime +1 -exec rm -rf {} +\n"
        f"part=$(mktemp -d {part}.XXXXXXXX) || exit\n"
        f'trap \'rm -rf "$part" "$part{_STOPPED}"\' EXIT\n'
        "trap 'exit 1' HUP INT TERM\n"
        'tar -xzf - -C "$part" && chmod +rx "$part" || exit\n'
        f"rmdir {name} 2>/dev/null\n"
        f'mv -T "$part" {name}\n'
    )
    with scratch_folder("send") as temporary:
        archive = Path(temporary) / "contents.tar.gz"
        write_contents(folder, archive)
        return shell.run(script, given=archive, timeout_s=SEND_TIMEOUT_S, check=False)


def stop_sending(destination: str) -> str:
    """Spell the shell command after which nothing that is still being sent can arrive.

    What unpacks it there may go on for a while; it no longer finds what it would put in its place.

    Args:
        destination: The folder that it was sent to.
    """
    target = PurePosixPath(destination)
    parts = shlex.quote(str(target.parent / _part(target)))
    stopped = f'"$part{_STOPPED}"'
    return (
        f'for part in {parts}.*; do mv -T "$part" {stopped} 2>/dev/null && rm -rf {stopped}; done'
    )


def _part(target: PurePosixPath) -> str:
    return f".{target.name}.sending"


def failed(where: str, done: Finished) -> ExecutionError:
    """The error for a script that ended badly: its last line says why."""
    reason = last_line(done.stderr) or f"exit code {done.code}"
    return ExecutionError(f"{reason}.", where=where)


def taken_folder(where: str, destination: str, done: Finished) -> ExecutionError | None:
    """The error for a folder that is there already; None where something else went wrong."""
    if not re.search(r"\bmv: .*(?:Directory not empty|File exists|cannot overwrite)", done.stderr):
        return None
    return ExecutionError(
        f"{destination} is there already on {where}.",
        hint="Name another folder, or remove that one.",
    )


def is_login_variable(name: str) -> bool:
    """Tell whether a variable belongs to every login."""
    return name in LOGIN_VARIABLES or name.startswith(LOCALE_PREFIX)
