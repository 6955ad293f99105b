"""What is known of a job now, and what a backend has to be able to tell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from nemo_runspec.execution.jobs.record import JobRecord
    from nemo_runspec.run_result import RunResult

JobState: TypeAlias = Literal[
    "pending", "running", "succeeded", "failed", "cancelled", "timed_out", "lost", "unknown"
]

_FINISHED: frozenset[JobState] = frozenset(
    {"succeeded", "failed", "cancelled", "timed_out", "lost"}
)
_CODES: Mapping[JobState, int] = {"succeeded": 0, "cancelled": 130, "timed_out": 124}
_FAILED = 1


@dataclass(frozen=True, slots=True)
class JobStatus:
    """What is known of a job at one moment.

    Attributes:
        state: Where it stands; ``lost`` is over, and nobody knows how; ``unknown`` could not be
            found out now.
        exit_code: Its own exit code, 128 plus the number of a signal that ended it; None where it
            has none, or has not ended.
        reason: Why it waits, or why it ended so, in one sentence.
        scheduler_state: The scheduler's own word, such as ``OUT_OF_MEMORY``.
        restarts: How often it was started again.
        tasks: Of a job array where each of its tasks stands, by their numbers.
    """

    state: JobState
    exit_code: int | None = None
    reason: str | None = None
    scheduler_state: str | None = None
    restarts: int = 0
    tasks: Mapping[str, JobStatus] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """Whether it has ended, whichever way."""
        return self.state in _FINISHED

    def as_dict(self) -> dict[str, Any]:
        """Give the status as JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> JobStatus:
        """Read a status from what :meth:`as_dict` gave."""
        tasks = {name: cls.from_dict(task) for name, task in content.get("tasks", {}).items()}
        return cls(**{**content, "tasks": tasks})

    @property
    def command_code(self) -> int:
        """The exit code of a command that waited for the job: the job's own where it has one.

        124 where its time ran out, 130 where it was cancelled, and 1 where only that it went
        wrong is known.
        """
        if self.state in _CODES:
            return _CODES[self.state]
        return self.exit_code or _FAILED


@dataclass(frozen=True, slots=True)
class OutputPosition:
    """How far a job's output was read.

    Attributes:
        files: Bytes that were read of each file, by its name.
        last: The file that was read last.
    """

    files: Mapping[str, int] = field(default_factory=dict)
    last: str | None = None


@dataclass(frozen=True, slots=True)
class OutputChunk:
    """What a job printed since it was last asked.

    Attributes:
        data: The new bytes, in order; they may end within a line.
        position: Where to go on.
        ended: Whether the job has left an exit code, so that it is worth asking how it ended.
    """

    data: bytes
    position: OutputPosition
    ended: bool = False


class JobBackend(Protocol):
    """What one kind of scheduler can tell about a job, and do with it.

    Each method raises ``TransferError`` where the machine cannot be reached now: whoever follows a
    job asks again.
    """

    def status(self, record: JobRecord) -> JobStatus:
        """Find out where the job stands."""
        ...

    def read_output(self, record: JobRecord, position: OutputPosition) -> OutputChunk:
        """Read what the job printed after a position."""
        ...

    def cancel(self, record: JobRecord) -> None:
        """Ask for the job's end; one that has ended already is left alone."""
        ...

    def result(self, record: JobRecord) -> RunResult:
        """Read what the job left in its run directory, empty where it left nothing."""
        ...

    def copy_folder(self, record: JobRecord, name: str, destination: Path) -> None:
        """Copy a folder of the job's run directory, where it has one.

        Args:
            record: The job.
            name: The folder's name.
            destination: An empty folder here, which gets it under its name.
        """
        ...
