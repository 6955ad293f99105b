"""What the processes of one job share of a tracking, in the job's run directory.

- ``tracking.json`` describes the job's current tracking, so that a process that never called
  setup (a spawned worker, a Ray task) can join it.
- Beside it each tracking has a folder with one small file per input. A file is created once and
  never changed, so any process may add an input and none needs a lock.

All of it is best effort: where the folder cannot be written, each process knows its own inputs.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.tracker import ResolvedArtifact
from nemo_runspec.atomic import publish_once, write_atomically
from nemo_runspec.distributed.folders import digest
from nemo_runspec.json_values import json_text
from nemo_runspec.redaction import redact_values

logger = logging.getLogger(__name__)

_TRACKING_FILE = "tracking.json"


@dataclass(frozen=True)
class TrackedInput:
    """Something that was resolved or loaded under a tracking.

    Attributes:
        text: Its pinned reference; a path or URI where it has none.
        revision: What is known of a path's state when it was read.
        resolved: What the reference meant; None for a path.
    """

    text: str
    revision: str | None = None
    resolved: ResolvedArtifact | None = None


@dataclass(frozen=True)
class SharedTracking:
    """A tracking as other processes of the job need it.

    Attributes:
        settings: Its backends.
        output_name: The name that the recipe records its output under.
        provenance: Code and configuration of the run.
        qualified_names: Full names of what its configuration refers to.
        folder: The folder of its inputs, below the job's.
        aliases: Aliases that move to each version it records.
    """

    settings: Mapping[str, Any]
    output_name: str | None
    provenance: Mapping[str, Any]
    qualified_names: list[str] = field(default_factory=list)
    folder: str = ""
    aliases: list[str] = field(default_factory=list)


def announce(job_folder: Path, tracking: SharedTracking) -> None:
    """Say which tracking is the job's current one."""
    try:
        write_atomically(job_folder / _TRACKING_FILE, json_text(redact_values(asdict(tracking))))
    except OSError as error:
        logger.warning("Other processes of this job cannot join its tracking: %s", error)


def step_back(job_folder: Path, ended: str, before: SharedTracking | None) -> None:
    """Say that a tracking ended, unless another step of the job has set its own up since.

    Args:
        job_folder: The folder that the job's processes share.
        ended: The folder of the inputs of the tracking that ended.
        before: The one that is current again; None where there is none.
    """
    current = read_announced(job_folder)
    if current is None or current.folder != ended:
        return
    if before is not None:
        announce(job_folder, before)
        return
    try:
        (job_folder / _TRACKING_FILE).unlink(missing_ok=True)
    except OSError as error:
        logger.warning("Other processes of this job may still join an ended tracking: %s", error)


def read_announced(job_folder: Path) -> SharedTracking | None:
    """The job's current tracking; None where no process set one up."""
    document = _read(job_folder / _TRACKING_FILE)
    return None if document is None else SharedTracking(**document)


class SharedInputs:
    """The inputs of one tracking, from every process of the job.

    Args:
        folder: Where their files lie.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, TrackedInput] = {}

    def publish(self, key: str, found: TrackedInput) -> TrackedInput:
        """Add an input, unless another process has the same already.

        Args:
            key: What was asked for: the same key, whoever asks, is the same input.
            found: What this process found.

        Returns:
            What every process goes by: the first that was published.
        """
        document = asdict(found)
        if found.resolved is None:
            document = redact_values(document)
        try:
            publish_once(self._file(key), json_text(document))
        except OSError as error:
            logger.warning("Other processes of this job do not learn of %s: %s", found.text, error)
            return found
        return self.find(key) or found

    def find(self, key: str) -> TrackedInput | None:
        """What some process of the job published under a key."""
        return self._entry(self._file(key))

    def all(self) -> list[TrackedInput]:
        """Every input that was published so far."""
        try:
            files = sorted(self._folder.glob("[!.]*.json"))
        except OSError as error:
            logger.warning("The inputs of this job's other processes are not known: %s", error)
            return []
        found = (self._entry(file) for file in files)
        return [entry for entry in found if entry is not None]

    def _file(self, key: str) -> Path:
        return self._folder / f"{digest([key])}.json"

    def _entry(self, file: Path) -> TrackedInput | None:
        if file.name not in self._known:
            document = _read(file)
            if document is None:
                return None
            resolved = document.pop("resolved")
            meant = None if resolved is None else ResolvedArtifact(**resolved)
            self._known[file.name] = TrackedInput(**document, resolved=meant)
        return self._known[file.name]


def _read(file: Path) -> dict[str, Any] | None:
    try:
        document: dict[str, Any] = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("What another process of this job left cannot be read: %s: %s", file, error)
        return None
    return document
