"""The ``none`` packager: the code is there already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NoPackager:
    """Sends nothing: the container image has all the code, or the job runs where it lies."""

    def package(self, path: Path, job_dir: str | Path, name: str) -> None:
        """Write no archive."""
