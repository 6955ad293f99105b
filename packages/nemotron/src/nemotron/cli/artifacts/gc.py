"""``nemotron artifacts gc``: withdraw what nobody needs any more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nemo_runspec.amounts import show_count, show_size
from nemo_runspec.errors import UsageError
from nemo_runspec.manifest_tracker import ManifestTracker
from nemo_runspec.manifest_tracker.collection import (
    CollectionPlan,
    data_of_withdrawn,
    plan_collection,
    withdraw_candidates,
)
from nemo_runspec.manifest_tracker.deletion import DataPlace, delete_data
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Panel, Row

_MOST_SHOWN = 40


def run(app: App, values: Mapping[str, Any]) -> int:
    """Plan a collection, and carry it out where that is asked for."""
    if values["delete_data"] and not values["apply"]:
        raise UsageError(
            "'--delete-data' works together with '--apply' only.",
            hint="Without both, this command shows what would be withdrawn and deleted.",
        )
    tracker = Store(app, values["root"]).tracker
    with app.waiting(f"Reading {tracker.root}"):
        plan = plan_collection(
            tracker,
            keep=values["keep"],
            exclude=values["exclude"],
            older_than_days=values["older_than"],
        )
    stayed = _withdraw(app, tracker, plan) if values["apply"] else {}
    data = _delete(app, tracker, values) if values["delete_data"] else plan.data
    mode = output_mode(values)
    if mode == "json":
        app.document(_document(plan, stayed, data, values))
    elif mode == "quiet":
        gone = [each.ref for each in plan.candidates if each.ref not in stayed]
        app.write("".join(f"{ref}\n" for ref in gone))
    else:
        _show(app, plan, stayed, data, values)
    return 0


def _withdraw(app: App, tracker: ManifestTracker, plan: CollectionPlan) -> Mapping[str, str]:
    with app.waiting(f"Withdrawing {show_count(len(plan.candidates), 'version')}"):
        return withdraw_candidates(tracker, plan)


def _delete(app: App, tracker: ManifestTracker, values: Mapping[str, Any]) -> list[DataPlace]:
    with app.waiting("Deleting data"):
        places = data_of_withdrawn(
            tracker, exclude=values["exclude"], older_than_days=values["older_than"]
        )
        for place in places:
            if place.obstacle is None:
                delete_data(place)
    return places


def _show(
    app: App,
    plan: CollectionPlan,
    stayed: Mapping[str, str],
    data: Sequence[DataPlace],
    values: Mapping[str, Any],
) -> None:
    kept = [(ref, ", ".join(reasons)) for ref, reasons in plan.kept.items()]
    gone = [each.ref for each in plan.candidates if each.ref not in stayed]
    lost = [(ref, f"made from {', '.join(refs)}") for ref, refs in plan.unreproducible.items()]
    withdrawn = "Withdrawn" if values["apply"] else "Would be withdrawn"
    deleted = "Deleted" if values["delete_data"] else "Data that --delete-data would delete"
    _panel(app, "Kept", [*kept, *stayed.items()])
    _panel(app, "Cannot be read, and may use any version", list(plan.problems.items()))
    _panel(app, withdrawn, gone)
    _panel(app, "Cannot be made again afterwards", lost)
    _panel(app, deleted, [_place(each) for each in data if each.obstacle is None])
    _panel(app, "Data that stays", [_staying(each) for each in data if each.obstacle])
    if not gone:
        app.say("There is nothing to withdraw.")
    elif not values["apply"]:
        app.say("Nothing was changed. Withdraw with: nemotron artifacts gc --apply")


def _panel(app: App, title: str, rows: Sequence[Row]) -> None:
    shown: list[Row] = list(rows[:_MOST_SHOWN])
    if len(rows) > _MOST_SHOWN:
        shown.append(f"and {len(rows) - _MOST_SHOWN:,} more (see --json)")
    if shown:
        app.panel(Panel(f"{title} ({len(rows):,})", shown, fill=False))


def _place(place: DataPlace) -> str:
    size = "" if place.bytes is None else f", {show_size(place.bytes)}"
    return f"{place.path}  {show_count(len(place.refs), 'version')}{size}"


def _staying(place: DataPlace) -> str:
    return f"{place.path}  {place.obstacle}"


def _document(
    plan: CollectionPlan,
    stayed: Mapping[str, str],
    data: Sequence[DataPlace],
    values: Mapping[str, Any],
) -> dict[str, Any]:
    return {
        "applied": values["apply"],
        "kept": plan.kept,
        "candidates": [record.ref for record in plan.candidates],
        "stayed": dict(stayed),
        "unreproducible": plan.unreproducible,
        "problems": plan.problems,
        "data": [
            {
                "path": place.path,
                "refs": place.refs,
                "size_bytes": place.bytes,
                "obstacle": place.obstacle,
                "deleted": values["delete_data"] and place.obstacle is None,
            }
            for place in data
        ],
    }
