"""One run, whatever the stage: lock, cache, shards, assembly, publication."""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from nemo_runspec.amounts import show_count, show_size
from nemo_runspec.errors import DataError
from nemotron_data_prep.config import PrepConfig
from nemotron_data_prep.engines.choice import choose_engine
from nemotron_data_prep.engines.schedule import ShardFunction, run_shards
from nemotron_data_prep.locking import directory_lock
from nemotron_data_prep.plan import Plan, Shard
from nemotron_data_prep.progress import make_progress
from nemotron_data_prep.results import base_report, check_report
from nemotron_data_prep.sources.records import Slice
from nemotron_data_prep.staging import (
    KnownFiles,
    disk_errors,
    read_receipt,
    remove_if_empty,
    remove_leftovers,
    remove_whole,
    staged_directory,
    write_json,
    write_receipt,
)

logger = logging.getLogger(__name__)

_REPORT = "report.json"
WORK = ".work"
_STALE_AFTER_S = 24 * 3600

TaskT = TypeVar("TaskT")
Assembly = Callable[[Path, Path, list[dict[str, Any]]], dict[str, Any]]
"""Fills the staged output folder from the shards' folder and receipts.

Returns what the report says beside the counts of records."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run(Generic[TaskT]):
    """What to do and where.

    Attributes:
        label: What the stage is called in logs.
        config: The stage's configuration.
        plan: The shard plan.
        id: Names the output folder; the hash of everything that the output depends on.
        function: Does one shard.
        make_task: Makes what it needs beside the shard; called where something is left to do.
        assemble: Makes the output of the shards.
        shards_folder: Where finished shards wait, relative to the output folder.
        keep_shards: Leave them there for later runs.
        warm_up: Loads in worker processes what they will need, while the task is made.
        cores_per_shard: Cores that the work on one shard keeps busy.
    """

    label: str
    config: PrepConfig
    plan: Plan
    id: str
    function: ShardFunction[TaskT]
    make_task: Callable[[], TaskT]
    assemble: Assembly
    shards_folder: str
    keep_shards: bool = False
    warm_up: Callable[[], None] | None = None
    cores_per_shard: int = 1

    @property
    def folder(self) -> Path:
        """Where the output appears."""
        return self.config.output_dir.absolute() / self.id

    @property
    def shards(self) -> Path:
        """Where the finished shards wait."""
        return self.config.output_dir.absolute() / self.shards_folder / self.plan.id


@dataclass(frozen=True, slots=True)
class Finished:
    """The published output of a run."""

    folder: Path
    report: dict[str, Any]
    cache_hit: bool


def execute(run: Run[TaskT]) -> Finished:
    """Finish a run: from the cache, from what an interrupted run left, or from the start.

    Raises:
        DataError: The data is unusable, the folder is taken, or the disk is full.
    """
    output_dir = run.config.output_dir.absolute()
    with (
        disk_errors(output_dir),
        directory_lock(output_dir, run.config.lock_timeout_s),
        _tidy(run, output_dir),
    ):
        report = read_report(run.folder)
        if report is None:
            if run.folder.exists():
                logger.warning("%s does not match its receipt and is made again", run.folder)
            finished = Finished(run.folder, _make(run), cache_hit=False)
        else:
            logger.info("%s: cache hit, %s is complete", run.label, run.folder)
            finished = Finished(run.folder, report, cache_hit=True)
        if not run.keep_shards:
            _discard(run.shards)
        return finished


def read_report(folder: Path) -> dict[str, Any] | None:
    """The report of a published output; None where it is missing, incomplete or damaged."""
    if read_receipt(folder) is None:
        return None
    report: dict[str, Any] = json.loads((folder / _REPORT).read_text(encoding="utf-8"))
    return report


def _make(run: Run[TaskT]) -> dict[str, Any]:
    receipts = _run_shards(run)
    report = {"run_id": run.id, **base_report(run.plan, receipts)}
    if not report["totals"]["records_out"]:
        _discard(run.shards)
        raise _empty(report["totals"], run.plan)
    with staged_directory(run.folder) as staged:
        report |= run.assemble(staged, run.shards, receipts)
        check_report(report)
        write_json(staged / _REPORT, report)
        folders = (run.shards / shard.name for shard in run.plan.shards)
        known = KnownFiles(zip(folders, receipts, strict=True))
        write_receipt(staged, {"run_id": run.id}, known)
    _log_totals(run.label, report)
    return report


def _log_totals(label: str, report: dict[str, Any]) -> None:
    totals = report["totals"]
    logger.info(
        "%s: %s of %s%s",
        label,
        f"{totals['records_out']:,}",
        show_count(totals["records_in"], "record"),
        f", {show_count(totals['tokens'], 'token')}" if totals["tokens"] else "",
    )
    for reason, count in totals["dropped"].items():
        logger.warning("%s: %s left out: %s", label, show_count(count, "record"), reason)
    packing = report.get("packing")
    if packing:
        logger.info(
            "%s: %s in %s of %d tokens, %.2f%% full",
            label,
            show_count(packing["sequences_out"], "sequence"),
            show_count(packing["packs"], "pack"),
            packing["pack_size"],
            100 * packing["fill"],
        )
        for reason, count in packing["dropped"].items():
            logger.warning("%s: %s left out: %s", label, show_count(count, "sequence"), reason)


def _run_shards(run: Run[TaskT]) -> list[dict[str, Any]]:
    plan = run.plan
    logger.info(
        "%s: %s in %s of %s, %s",
        run.label,
        show_size(plan.size_bytes),
        show_count(len(plan.files), "file"),
        show_count(len(plan.datasets), "dataset"),
        show_count(len(plan.shards), "shard"),
    )
    progress = make_progress(run.label, plan.size_bytes)
    try:
        return run_shards(
            choose_engine(run.config, run.cores_per_shard),
            run.function,
            run.make_task,
            plan.shards,
            run.shards,
            progress=progress,
            warm_up=run.warm_up,
            describe=lambda shard: _describe(plan, shard),
        )
    finally:
        progress.close()


def _describe(plan: Plan, shard: Shard) -> str:
    """What a shard reads: its first slice, and how many more there are."""
    first, *others = shard.slices
    end = "the end" if first.stop is None else first.stop
    part = "" if first == Slice(first.file) else f" from {first.start} to {end}"
    more = f" and {len(others)} more" if others else ""
    return f"{shard.name} ({plan.files[first.file].uri}{part}{more})"


@contextmanager
def _tidy(run: Run[TaskT], output_dir: Path) -> Iterator[None]:
    """Clear what killed runs left, before; and empty folders, after."""
    waiting = output_dir / run.shards_folder
    for folder in (output_dir, waiting, run.shards):
        remove_leftovers(folder)
    if run.shards_folder == WORK:
        _remove_stale(waiting, keep=run.shards)
    try:
        yield
    finally:
        for folder in (run.shards, waiting):
            remove_if_empty(folder)


def _discard(folder: Path) -> None:
    if folder.exists():
        remove_whole(folder)


def _remove_stale(folder: Path, keep: Path) -> None:
    """Remove the shards of runs that were given up, a day after their last change."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if path != keep and time.time() - path.stat().st_mtime > _STALE_AFTER_S:
            shutil.rmtree(path, ignore_errors=True)


def _empty(totals: dict[str, Any], plan: Plan) -> DataError:
    names = ", ".join(dataset.name for dataset in plan.datasets)
    reasons = ", ".join(f"{count} {reason}" for reason, count in totals["dropped"].items())
    return DataError(
        f"The dataset is empty: of {totals['records_in']} records none is usable"
        + (f" ({reasons})." if reasons else "."),
        where=names,
        hint=_hint(set(totals["dropped"])),
    )


def _hint(reasons: set[str]) -> str:
    if reasons == {"filtered"}:
        return "The transforms leave every record out: check them, and what the data holds."
    if reasons == {"sampled_out"}:
        return "Raise the 'weight' or 'fraction' of the datasets in the blend file."
    return "Check the paths and fields in the blend file."
