"""Records that wait for W&B, as files in the run directory.

``RUN_DIR/wandb-outbox/`` holds

- ``records/``: a file for each record, named so that they sort in the order they were made;
- ``delivered/``: under the same name, what W&B said of a record that it has;
- ``runs/``: the W&B runs of the job, and whether they still have something to tell;
- ``logs/``: the client's logs of runs whose end the server did not hear;
- ``store.json``: the manifest store that the records stand beside.

Every file is written whole or not at all, so that a process may die at any time, and several may
write and deliver at once.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.backends import Delivery
from nemo_runspec.atomic import publish_once, write_atomically
from nemo_runspec.distributed.folders import propose_run_directory, run_directory, start_time
from nemo_runspec.errors import ArtifactError
from nemo_runspec.json_values import json_text
from nemotron_kit_wandb.records import RunIdentity, WandbRecord
from nemotron_kit_wandb.run_log import log_file

logger = logging.getLogger(__name__)

_OUTBOX = "wandb-outbox"
_RECORDS, _DELIVERED, _RUNS, _LOGS = "records", "delivered", "runs", "logs"
_STORE, _LOCK = "store.json", ".lock"


@dataclass(frozen=True)
class KnownRun:
    """A W&B run of the job.

    Attributes:
        identity: The run.
        folder: Where the client keeps the run's own files.
        offline: Whether it was started without a server, so that only those files have it.
        url: Its page, where it has one.
        cut_off: How it ended, where the server did not hear it: ``exit_code``, ``summary``,
            ``config``.
        told: Whether the server has it all.
        process: Its process, while that may still write to the files.
    """

    identity: RunIdentity
    folder: str
    offline: bool = False
    url: str | None = None
    cut_off: Mapping[str, Any] | None = None
    told: bool = False
    process: str | None = None

    @property
    def waits(self) -> bool:
        """Whether the server still has to be told of it."""
        return not self.told and (self.offline or self.cut_off is not None)


@dataclass(frozen=True)
class Entry:
    """A record that waits.

    Attributes:
        file: Where.
        record: The record; None where the file cannot be read.
        problem: Why it cannot.
    """

    file: Path
    record: WandbRecord | None
    problem: str | None = None

    @property
    def what(self) -> str:
        """What people call it."""
        return self.file.name if self.record is None else self.record.what


@dataclass(frozen=True)
class Outbox:
    """The records of one run directory.

    Args:
        run_dir: The run directory; nothing is created before something has to wait.
    """

    run_dir: Path
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", self.run_dir / _OUTBOX)

    def put(self, record: WandbRecord) -> Path:
        """Let a record wait for delivery.

        Raises:
            OSError: It cannot be written; nothing is left of it.
        """
        file = self.folder / _RECORDS / f"{time.time_ns():020d}-{record.id[:12]}.json"
        write_atomically(file, record.to_json())
        return file

    def entries(self, known: Mapping[Path, Entry] | None = None) -> list[Entry]:
        """What waits, in the order in which it was recorded.

        Args:
            known: Entries that were read before: a record never changes.
        """
        read = {} if known is None else known
        found = (read.get(file) or _entry(file) for file in self._files(_RECORDS))
        return [entry for entry in found if entry is not None]

    def done(self, file: Path, record: WandbRecord, url: str | None) -> None:
        """Note that the server has a record.

        Args:
            file: Where it waited.
            record: The record.
            url: Its page.
        """
        receipt = {"what": record.what, "where": url, "artifact": record.artifact is not None}
        write_atomically(self.folder / _DELIVERED / file.name, json_text(receipt))
        file.unlink(missing_ok=True)

    def deliveries(self) -> list[Delivery]:
        """Where every record of the run stands."""
        delivered = [_delivered(file) for file in self._files(_DELIVERED)]
        pending = [
            Delivery(entry.what, "pending", problem=entry.problem) for entry in self.entries()
        ]
        waiting = [
            Delivery(f"run {run.identity.name or run.identity.id}", "pending")
            for run in self.runs()
            if run.waits
        ]
        return [*(item for item in delivered if item is not None), *waiting, *pending]

    def note_store(self, root: str | None) -> None:
        """Say which manifest store the records stand beside; said once, it stays so."""
        if root is not None:
            publish_once(self.folder / _STORE, json_text({"root": root}))

    def store(self) -> str | None:
        """The manifest store that the records stand beside, where that is known."""
        document = _read(self.folder / _STORE)
        return None if document is None else document.get("root")

    def note_run(self, run: KnownRun) -> None:
        """Say which W&B run the job has, and what of it waits."""
        write_atomically(self.folder / _RUNS / f"{run.identity.id}.json", json_text(asdict(run)))

    def runs(self) -> list[KnownRun]:
        """The W&B runs of the job, the latest last."""
        files = sorted(self._files(_RUNS), key=lambda file: file.stat().st_mtime_ns)
        return [found for found in map(_known_run, files) if found is not None]

    def find_run(self, run_id: str) -> KnownRun | None:
        """A run of the job by its id."""
        return next((run for run in self.runs() if run.identity.id == run_id), None)

    def end_run(self, run_id: str, cut_off: Mapping[str, Any] | None = None) -> None:
        """Say that a run ended, and how where the server did not hear it."""
        known = self.find_run(run_id)
        if known is not None:
            self.note_run(replace(known, process=None, cut_off=cut_off))

    def keep_log(self, log: Path) -> None:
        """Keep the client's log of a run, which may lie where nothing stays.

        Args:
            log: The log, in the run's own folder.

        Raises:
            OSError: It cannot be kept.
        """
        kept = self._kept(log.parent)
        kept.parent.mkdir(parents=True, exist_ok=True)
        staged = kept.with_name(f".{kept.name}.{os.getpid()}")
        try:
            try:
                os.link(log, staged)
            except OSError:
                shutil.copyfile(log, staged)
            staged.replace(kept)
        finally:
            staged.unlink(missing_ok=True)

    def log(self, run: KnownRun) -> Path | None:
        """The client's log of a run; None where it is gone."""
        places = (self._kept(Path(run.folder)), log_file(run.folder, run.identity.id))
        return next((place for place in places if place.is_file()), None)

    def drop_log(self, run: KnownRun) -> None:
        """Keep the log of a run no longer: the server has what it holds."""
        self._kept(Path(run.folder)).unlink(missing_ok=True)

    def _kept(self, folder: Path) -> Path:
        # A run that several jobs resumed has a folder of each; the earlier ones are overtaken.
        return self.folder / _LOGS / f"{folder.name}.wandb"

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep other deliverers out; a file system without locks lets them in."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / _LOCK).open("ab") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX)
            except OSError as error:
                logger.debug("Records are delivered without a lock: %s", error)
            yield

    def _files(self, folder: str) -> list[Path]:
        return sorted((self.folder / folder).glob("[!.]*.json"))


def own_outbox(run_dir: Path | None = None) -> Outbox:
    """The outbox of this process.

    Args:
        run_dir: The run directory; by default the job's, else a new one below ``.nemotron/runs``.
    """
    named = run_dir or run_directory()
    return Outbox((named or _OWN.folder()).absolute())


def process_name(process_id: int | None = None) -> str:
    """A process of this host, told from an earlier one of the same number by when it began.

    Args:
        process_id: Its number; by default that of this process.
    """
    number = process_id or os.getpid()
    return f"{os.uname().nodename}:{number}:{start_time(number)}"


def still_runs(process: str | None) -> bool:
    """Whether a process of this host goes on; one of another host is taken to have ended.

    Args:
        process: What :func:`process_name` called it.
    """
    if process is None:
        return False
    number = process.rsplit(":", 2)[-2]
    return process == process_name(int(number))


class _OwnFolder:
    """The folder of a process that no job gave one, the same for as long as it lives."""

    def __init__(self) -> None:
        self._found: tuple[int, Path] | None = None

    def folder(self) -> Path:
        if self._found is None or self._found[0] != os.getpid():
            script = Path(getattr(sys.modules.get("__main__"), "__file__", None) or "python").stem
            self._found = os.getpid(), propose_run_directory(Path.cwd(), script)
        return self._found[1]


_OWN = _OwnFolder()


def _entry(file: Path) -> Entry | None:
    try:
        return Entry(file, WandbRecord.from_json(file.read_bytes(), where=str(file)))
    except FileNotFoundError:
        return None  # somebody delivered it just now
    except OSError as error:
        return Entry(file, None, f"It cannot be read ({error.strerror}): {file}.")
    except ArtifactError as error:
        return Entry(file, None, str(error))


def _delivered(file: Path) -> Delivery | None:
    document = _read(file)
    if document is None or not document.get("artifact", True):
        return None
    return Delivery(str(document.get("what")), "delivered", where=document.get("where"))


def _known_run(file: Path) -> KnownRun | None:
    document = _read(file)
    if document is None:
        return None
    try:
        identity = RunIdentity.from_document(document["identity"])
        return KnownRun(**{**document, "identity": identity})
    except (KeyError, TypeError) as error:
        logger.warning("What is known of a W&B run cannot be read: %s: %s", file, error)
        return None


def _read(file: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        logger.warning("A file of the outbox cannot be read: %s: %s", file, error)
        return None
    return document if isinstance(document, dict) else None
