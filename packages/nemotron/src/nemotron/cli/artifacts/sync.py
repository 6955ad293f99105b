"""``nemotron artifacts sync``: deliver to W&B what an outage kept back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from nemo_runspec.amounts import show_count
from nemo_runspec.artifacts.backends import (
    Delivery,
    RebuildingBackend,
    TrackingBackend,
    find_backend,
)
from nemo_runspec.artifacts.reference import looks_like_path
from nemo_runspec.distributed.folders import RUNS_FOLDER
from nemo_runspec.errors import UsageError
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Panel, Row


def run(app: App, values: Mapping[str, Any]) -> int:
    """Deliver what waits in run directories, or versions by their manifests."""
    backend = find_backend("wandb")
    run_dirs, references = _sorted_out(app, values["places"])
    of_run = _pending if values["dry_run"] else partial(_delivered, app)
    told = {str(run_dir): of_run(backend, run_dir) for run_dir in run_dirs}
    told |= {each: _of_manifest(app, backend, each, values) for each in references}
    found = [item for items in told.values() for item in items]
    mode = output_mode(values)
    if mode == "json":
        app.document(_document(told))
    elif mode == "quiet":
        app.write("".join(f"{item.what}\n" for item in found if item.state == "pending"))
    else:
        _show(app, found)
        if found and values["dry_run"]:
            app.say("Nothing was delivered. Deliver with: nemotron artifacts sync")
    waiting = any(item.state == "pending" for item in found)
    return 1 if waiting and not values["dry_run"] else 0


def _sorted_out(app: App, places: Sequence[str]) -> tuple[list[Path], list[str]]:
    """Tell run directories from references; without either, every run below ``.nemotron``."""
    if not places:
        found = (app.cwd / RUNS_FOLDER).glob("*/*/")
        return sorted(found, key=lambda folder: folder.name), []
    run_dirs = [app.cwd / place for place in places if (app.cwd / place).is_dir()]
    others = [place for place in places if not (app.cwd / place).is_dir()]
    for place in others:
        if looks_like_path(place):
            raise UsageError(
                f"There is no run directory {place!r}.",
                hint="Without one, every run below .nemotron/runs is looked at.",
            )
    return run_dirs, others


def _pending(backend: TrackingBackend, run_dir: Path) -> list[Delivery]:
    return [item for item in backend.pending(run_dir) if item.state == "pending"]


def _delivered(app: App, backend: TrackingBackend, run_dir: Path) -> list[Delivery]:
    pending = _pending(backend, run_dir)
    if not pending:
        return []
    with app.waiting(f"Delivering {show_count(len(pending), 'record')} of {run_dir.name} to W&B"):
        return list(backend.deliver(run_dir))


def _of_manifest(
    app: App, backend: TrackingBackend, reference: str, values: Mapping[str, Any]
) -> list[Delivery]:
    tracker = Store(app, values["root"]).tracker
    ref = tracker.find(reference).ref
    if values["dry_run"]:
        return [Delivery(ref, "pending")]
    if not isinstance(backend, RebuildingBackend):
        raise UsageError("This version of the W&B package rebuilds no records.")
    with app.waiting(f"Delivering {ref} to W&B"):
        return list(backend.deliver_manifest(ref, tracker.root))


def _show(app: App, found: Sequence[Delivery]) -> None:
    delivered = [item for item in found if item.state == "delivered"]
    waiting = [item for item in found if item.state == "pending"]
    _panel(app, "Delivered to W&B", ((item.what, item.where or "") for item in delivered))
    _panel(app, "Waiting for W&B", ((item.what, item.problem or "") for item in waiting))
    if not found:
        app.say("Nothing waits for W&B.")


def _panel(app: App, title: str, rows: Iterable[tuple[str, str]]) -> None:
    shown: list[Row] = list(rows)
    if shown:
        app.panel(Panel(f"{title} ({len(shown):,})", shown, fill=False))


def _document(told: Mapping[str, Sequence[Delivery]]) -> dict[str, Any]:
    records = [
        {
            "source": source,
            "what": item.what,
            "state": item.state,
            "where": item.where,
            "problem": item.problem,
        }
        for source, items in told.items()
        for item in items
    ]
    waiting = sum(record["state"] == "pending" for record in records)
    return {"delivered": len(records) - waiting, "pending": waiting, "records": records}
