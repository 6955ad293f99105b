"""Choose how a submitted job is told of."""

from __future__ import annotations

from nemotron.cli.app import App, OutputMode
from nemotron.cli.jobs.json_report import JsonJobReporter
from nemotron.cli.jobs.panel_report import PanelJobReporter
from nemotron.cli.jobs.quiet_report import QuietJobReporter
from nemotron.cli.jobs.reporting import JobReporter


def reporter_for(app: App, mode: OutputMode) -> JobReporter:
    """Choose the reporter that ``--json`` and ``--quiet`` ask for."""
    if mode == "json":
        return JsonJobReporter(app)
    return QuietJobReporter(app) if mode == "quiet" else PanelJobReporter(app)
