"""Deliver to W&B what a run could not, and make sure by asking that it is there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

from nemo_runspec.artifacts.backends import Delivery
from nemo_runspec.distributed.folders import RUNS_FOLDER
from nemo_runspec.errors import NemotronError
from nemotron_kit_wandb.calling import WandbUnreachableError
from nemotron_kit_wandb.credentials import find_server, require_api_key
from nemotron_kit_wandb.delivery import publish_wholly
from nemotron_kit_wandb.destination import manifest_reference
from nemotron_kit_wandb.outbox import Entry, KnownRun, Outbox, still_runs
from nemotron_kit_wandb.publishing import WandbPublishError
from nemotron_kit_wandb.reach import answers
from nemotron_kit_wandb.rebuilding import rebuild_record
from nemotron_kit_wandb.records import RunIdentity, WandbRecord
from nemotron_kit_wandb.resuming import ResumedRuns, confirm, path_of, upload_offline_run

logger = logging.getLogger(__name__)


def list_pending(run_dir: Path) -> Sequence[Delivery]:
    """List the records of a run, without asking the server.

    Args:
        run_dir: The run directory.
    """
    return Outbox(run_dir.absolute()).deliveries()


def deliver_run(run_dir: Path) -> Sequence[Delivery]:
    """Deliver what waits in a run directory, in order.

    Safe to repeat, to interrupt, and to do twice at once.

    Args:
        run_dir: The run directory.

    Returns:
        What was delivered now, and what still waits, each with the reason.

    Raises:
        WandbUnreachableError: The server does not answer.
        WandbCredentialsError: There is no key.
    """
    outbox = Outbox(run_dir.absolute())
    if not outbox.entries() and not any(run.waits for run in outbox.runs()):
        return ()
    _require_server()
    with Sync() as sync:
        sync.outbox(outbox)
        return sync.told


def deliver_manifest(reference: str, root: str) -> Sequence[Delivery]:
    """Deliver a version again from its manifest, where its record was lost.

    Args:
        reference: The version in the manifest store.
        root: The manifest store.

    Raises:
        WandbUnreachableError: The server does not answer.
        WandbCredentialsError: There is no key.
        ArtifactNotFoundError: There is no such version.
    """
    _require_server()
    with Sync() as sync:
        sync.manifest(reference, root)
        return sync.told


class Sync:
    """One delivery, of one or more outboxes; W&B runs stay open while records belong to them.

    Attributes:
        told: What was delivered, in this order, and what could not be.
    """

    def __init__(self) -> None:
        self.told: list[Delivery] = []
        self._places = [Path.cwd() / RUNS_FOLDER]
        self._resumed = ResumedRuns()
        self._entered: set[Path] = set()
        self._store: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, Exception):
            self._resumed.abandon()  # Ctrl-C is not made to wait for the server
        else:
            self._resumed.close()

    def outbox(self, outbox: Outbox) -> None:
        """Deliver an outbox."""
        self._places.append(outbox.run_dir.parent.parent)
        self._entered.add(outbox.folder)
        self._store = outbox.store() or self._store
        with outbox.exclusively():
            self.told.extend(self._runs(outbox))
            unheard = {run.identity.id for run in outbox.runs() if run.waits}
            self.told.extend(self._entry(outbox, entry, unheard) for entry in outbox.entries())

    def manifest(self, reference: str, root: str) -> None:
        """Deliver a version of the manifest store."""
        self._store = root
        record = rebuild_record(reference, root)
        try:
            self.told.append(self._publish(record, _no_outbox))
        except NemotronError as error:
            self.told.append(Delivery(record.what, "pending", problem=_sentence(error)))

    def _runs(self, outbox: Outbox) -> Iterator[Delivery]:
        for run in outbox.runs():
            if not run.waits:
                continue
            what = f"run {run.identity.name or run.identity.id}"
            try:
                self._tell_run(outbox, run)
            except NemotronError as error:
                yield Delivery(what, "pending", problem=_sentence(error))
            else:
                yield Delivery(what, "delivered", where=path_of(run.identity))

    def _tell_run(self, outbox: Outbox, run: KnownRun) -> None:
        if still_runs(run.process):
            raise WandbPublishError("Its process still runs; sync again when it has ended.")
        if run.offline:
            upload_offline_run(run)
            self._resumed.make_sure_of(run.identity)
        elif run.cut_off is not None:
            log = outbox.log(run)
            if log is None:
                logger.warning(
                    "The client's log of the W&B run %s is gone, and its last metrics with it: %s.",
                    *(run.identity.id, run.folder),
                )
            self._resumed.tell_end(run.identity, run.cut_off, log, run.folder)
        self._resumed.require_run(run.identity)
        outbox.note_run(replace(run, told=True))
        outbox.drop_log(run)

    def _entry(self, outbox: Outbox, entry: Entry, unheard: set[str]) -> Delivery:
        record = entry.record
        if record is None:
            return Delivery(entry.what, "pending", problem=entry.problem)
        try:
            run = record.run or _run_of_job(outbox)
            if run is not None and run.id in unheard:
                raise WandbPublishError(f"Its run {run.name or run.id} is not in W&B yet.")
            done = self._publish(
                replace(record, run=run), lambda url: outbox.done(entry.file, record, url)
            )
        except NemotronError as error:
            return Delivery(entry.what, "pending", problem=_sentence(error))
        except OSError as error:
            problem = f"It cannot be noted that W&B has it ({error.strerror}): {entry.file}."
            return Delivery(entry.what, "pending", problem=problem)
        return done

    def _publish(self, record: WandbRecord, done: Callable[[str | None], None]) -> Delivery:
        for name in record.used:
            self._ensure(name, record)
        with self._resumed.run_for(record) as run:
            url = publish_wholly(record, run)
            confirm(record, run)
        done(url)
        return Delivery(record.what, "delivered", where=url)

    def _ensure(self, name: str, near: WandbRecord) -> None:
        """Deliver what a record was made from, where W&B does not have it yet."""
        reference = manifest_reference(name)
        if reference is None or self._resumed.has_version(name, near):
            return
        for outbox in self._others():
            if any(_stands_for(entry, reference) for entry in outbox.entries()):
                logger.info("%s is delivered first, from %s.", reference, outbox.run_dir)
                self.outbox(outbox)
                if self._resumed.has_version(name, near):
                    return
        self._rebuild(reference, near)

    def _rebuild(self, reference: str, near: WandbRecord) -> None:
        record = rebuild_record(reference, self._store, project=near.project, entity=near.entity)
        logger.info("%s is delivered first, rebuilt from its manifest.", reference)
        self.told.append(self._publish(record, _no_outbox))

    def _others(self) -> Iterable[Outbox]:
        """The outboxes of other runs, near those that were named and below ``.nemotron/runs``."""
        for place in tuple(dict.fromkeys(self._places)):
            for folder in sorted(place.glob("*/*/wandb-outbox")):
                if folder not in self._entered:
                    yield Outbox(folder.parent)


def _stands_for(entry: Entry, reference: str) -> bool:
    artifact = None if entry.record is None else entry.record.artifact
    return artifact is not None and artifact.manifest == reference


def _run_of_job(outbox: Outbox) -> RunIdentity | None:
    runs = outbox.runs()
    return runs[-1].identity if runs else None


def _require_server() -> None:
    require_api_key()
    if not answers():
        raise WandbUnreachableError(
            f"W&B at {find_server()} does not answer; nothing was delivered, and nothing is lost.",
            hint="Try again when it does.",
        )


def _no_outbox(_url: str | None) -> None:
    """A record that was rebuilt waits nowhere."""


def _sentence(error: NemotronError) -> str:
    return f"{error.what} {error.hint}" if error.hint else error.what
