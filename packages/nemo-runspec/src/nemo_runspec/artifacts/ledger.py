"""Which checkpoints a tracking has recorded, so that two hooks do not record one of them twice."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from nemo_runspec.artifacts.tracker import LoggedArtifact


@dataclass(frozen=True)
class RecordedCheckpoint:
    """A checkpoint that was recorded.

    Attributes:
        path: Its own directory, as the job sees it.
        logged: The receipt.
        seen: Whether this process saw the directory when it recorded it.
    """

    path: Path
    logged: LoggedArtifact
    seen: bool


class CheckpointLedger:
    """The checkpoints of one tracking in this process; safe from any thread."""

    def __init__(self) -> None:
        self._claimed: set[Path] = set()
        self._recorded: dict[Path, RecordedCheckpoint] = {}
        self._lock = threading.Lock()

    def claim(self, path: Path) -> bool:
        """Take it on to record a checkpoint; False where somebody did before."""
        with self._lock:
            if path in self._claimed:
                return False
            self._claimed.add(path)
            return True

    def settle(self, path: Path, logged: LoggedArtifact) -> None:
        """Note that a claimed checkpoint is recorded."""
        seen = path.is_dir()
        with self._lock:
            self._recorded[path] = RecordedCheckpoint(path, logged, seen)

    def release(self, path: Path) -> RecordedCheckpoint | None:
        """Give a claim up, so that the checkpoint may be recorded again.

        Returns:
            What was recorded of it, where that was done.
        """
        with self._lock:
            self._claimed.discard(path)
            return self._recorded.pop(path, None)

    def vanished(self) -> list[Path]:
        """The checkpoints whose directory was there and is not any more.

        One whose save directory is gone as well is not among them: a file system that is not
        mounted takes no checkpoint away.
        """
        with self._lock:
            known = [entry.path for entry in self._recorded.values() if entry.seen]
        return [path for path in known if path.parent.is_dir() and not path.exists()]
