"""Who knows about a job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

from nemo_runspec.execution.jobs.following import ENGINE_PACE, SCHEDULER_PACE, Pace
from nemo_runspec.execution.jobs.process import ProcessBackend
from nemo_runspec.execution.jobs.record import JobRecord
from nemo_runspec.execution.jobs.status import JobBackend
from nemo_runspec.execution.shells.base import ClusterShell
from nemo_runspec.execution.shells.local import LocalShell
from nemo_runspec.execution.shells.ssh import SshShell
from nemo_runspec.packaging.code.ssh.target import SshTarget


class Backends:
    """Backends of several jobs; those on one machine share a connection. Use in a ``with`` block.

    No connection is made before something is asked.
    """

    def __init__(self) -> None:
        self._clusters: dict[str, JobBackend] = {}
        self._of_engines: JobBackend | None = None
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Give the backends themselves."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the connections."""
        self._open.close()

    def of(self, record: JobRecord) -> JobBackend:
        """The backend that knows about a job."""
        if record.executor == "local":
            return ProcessBackend()
        if record.executor == "slurm":
            return self._cluster(record.ssh)
        return self._engine()

    def _engine(self) -> JobBackend:
        from nemo_runspec.execution.jobs.engine import EngineBackend

        if self._of_engines is None:
            self._of_engines = self._open.enter_context(EngineBackend())
        return self._of_engines

    def _cluster(self, ssh: Mapping[str, Any] | None) -> JobBackend:
        from nemo_runspec.execution.jobs.slurm import SlurmBackend

        key = "" if ssh is None else repr(ssh_target(ssh))
        if key not in self._clusters:
            self._clusters[key] = SlurmBackend(self._open.enter_context(shell_of(ssh)))
        return self._clusters[key]


@contextmanager
def open_backend(record: JobRecord) -> Iterator[JobBackend]:
    """Open the backend of one job for the length of a ``with`` block."""
    with Backends() as backends:
        yield backends.of(record)


def pace_of(record: JobRecord) -> Pace:
    """How often a job may be asked about."""
    paces = {"local": Pace(), "slurm": SCHEDULER_PACE}
    return paces.get(record.executor, ENGINE_PACE)


def shell_of(ssh: Mapping[str, Any] | None) -> ClusterShell:
    """The shell of the machine that a job was submitted on; it connects when it is first used.

    Args:
        ssh: The record's ``ssh``.
    """
    return LocalShell() if ssh is None else SshShell(ssh_target(ssh))


def ssh_target(ssh: Mapping[str, Any]) -> SshTarget:
    """The machine of a record, as it is reached.

    Args:
        ssh: The record's ``ssh``.
    """
    known = {"host", "root", "user", "port", "options", "connect_timeout_s"}
    named = {key: value for key, value in ssh.items() if key in known and value is not None}
    files = {key: Path(ssh[key]) for key in ("identity", "config") if ssh.get(key)}
    named["options"] = tuple(named.get("options", ()))
    return SshTarget(**{"root": "~", **named, **files})
