"""Choose how a chain is told of."""

from __future__ import annotations

from nemotron.cli.app import App, OutputMode
from nemotron.cli.pipeline.json_report import JsonPipeReporter
from nemotron.cli.pipeline.panel_report import PanelPipeReporter
from nemotron.cli.pipeline.quiet_report import QuietPipeReporter
from nemotron.cli.pipeline.reporting import PipeReporter


def reporter_for(app: App, mode: OutputMode) -> PipeReporter:
    """Choose the reporter that ``--json`` and ``--quiet`` ask for."""
    if mode == "json":
        return JsonPipeReporter(app)
    return QuietPipeReporter(app) if mode == "quiet" else PanelPipeReporter(app)
