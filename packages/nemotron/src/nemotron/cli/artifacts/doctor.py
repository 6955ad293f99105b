"""``nemotron artifacts doctor``: what a store honours, what is wrong with it, and the cure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nemo_runspec.amounts import show_count
from nemo_runspec.errors import UsageError
from nemo_runspec.manifest_tracker.examination import (
    Examination,
    Finding,
    examine_store,
    repair_store,
)
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Panel, Row

_MOST_SHOWN = 20


def run(app: App, values: Mapping[str, Any]) -> int:
    """Examine a store; mend what can be made again, where that is asked for."""
    tracker = Store(app, _root(values)).tracker
    with app.waiting(f"Examining {tracker.root}"):
        found = examine_store(tracker)
    repaired = repair_store(tracker, found) if values["repair"] else []
    open_findings = [finding for finding in found.findings if finding not in repaired]
    wrong = [finding for finding in open_findings if not finding.harmless]
    mode = output_mode(values)
    if mode == "json":
        app.document(_document(found, repaired, sound=not wrong))
    elif mode == "quiet":
        app.write("".join(f"{each.where}: {each.problem}\n" for each in wrong))
    else:
        app.panel(Panel(f"Store {found.root}", _rows(found, len(wrong)), fill=False))
        _show(app, "Repaired", repaired)
        _show(app, "Wrong", wrong)
        _show(app, "Left over, and harmless", [each for each in open_findings if each.harmless])
    return 1 if wrong else 0


def _root(values: Mapping[str, Any]) -> str | None:
    argument: str | None = values["place"]
    option: str | None = values["root"]
    if argument and option:
        raise UsageError("The store is named twice.", hint="Leave --root out.")
    return argument or option


def _rows(found: Examination, wrong: int) -> list[Row]:
    report = found.report
    holds = f"{show_count(found.names, 'name')}, {show_count(found.versions, 'version')}"
    rows: list[Row] = [("Holds:", holds)]
    if report is None:
        rows.append(("Publishing:", "could not be tried, see below"))
    else:
        second = "refused" if report.create_only else "NOT refused"
        rows.append(("Publishing:", report.publishing))
        rows.append(("A second writer of a version:", second))
    rows.append(("Result:", f"{show_count(wrong, 'fault')}." if wrong else "Sound."))
    return rows


def _show(app: App, title: str, findings: Sequence[Finding]) -> None:
    rows: list[Row] = []
    for finding in findings[:_MOST_SHOWN]:
        rows += [finding.where, f"  {finding.problem}", f"  Cure: {finding.cure}"]
    if len(findings) > _MOST_SHOWN:
        rows.append(f"and {len(findings) - _MOST_SHOWN:,} more (see --json)")
    if rows:
        app.panel(Panel(title, rows, fill=False))


def _document(found: Examination, repaired: Sequence[Finding], *, sound: bool) -> dict[str, Any]:
    report = found.report
    return {
        "root": found.root,
        "sound": sound,
        "publishing": report.publishing if report else None,
        "create_only": report.create_only if report else None,
        "names": found.names,
        "versions": found.versions,
        "findings": [
            {
                "where": finding.where,
                "problem": finding.problem,
                "cure": finding.cure,
                "harmless": finding.harmless,
                "repaired": finding in repaired,
            }
            for finding in found.findings
        ],
    }
