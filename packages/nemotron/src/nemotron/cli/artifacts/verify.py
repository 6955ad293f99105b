"""``nemotron artifacts verify``: whether the data is still what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from nemo_runspec.amounts import show_count
from nemo_runspec.manifest_tracker.verification import Verification, verify_version
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Panel, Row

_MOST_SHOWN = 20


def run(app: App, values: Mapping[str, Any]) -> int:
    """Compare the data of one version with its record."""
    tracker = Store(app, values["root"]).tracker
    with app.waiting(f"Comparing {values['reference']}"):
        found = verify_version(tracker, values["reference"])
    mode = output_mode(values)
    if mode == "json":
        app.document({"intact": not found.faults, **asdict(found)})
    elif mode == "text":
        app.panel(Panel(found.ref, _rows(found), fill=False))
    else:
        lines = [f"{fault.path} {fault.problem}" for fault in found.faults] or [found.ref]
        app.write("".join(f"{line}\n" for line in lines))
    return 1 if found.faults else 0


def _rows(found: Verification) -> list[Row]:
    rows: list[Row] = [("Path:", found.path), ("Result:", _result(found))]
    rows += [("Fault:", f"{fault.path} {fault.problem}") for fault in found.faults[:_MOST_SHOWN]]
    if len(found.faults) > _MOST_SHOWN:
        rows.append(("", f"and {len(found.faults) - _MOST_SHOWN:,} more (see --json)"))
    return rows + [("Not checked:", sentence) for sentence in found.unchecked]


def _result(found: Verification) -> str:
    if found.faults:
        return f"{show_count(len(found.faults), 'fault')}: not what was recorded."
    if found.files:
        return f"{show_count(found.files, 'file')} as recorded."
    return "It exists." if found.unchecked else "As recorded."
