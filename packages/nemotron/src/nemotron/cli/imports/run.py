"""What an import command does: look, record, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from nemo_runspec.artifacts.settings import EMBEDDED_ROOT, TrackingSettings, environment_settings
from nemo_runspec.exports import require
from nemo_runspec.importing.checkpoints import describe_checkpoint
from nemo_runspec.importing.description import Description
from nemo_runspec.importing.places import existing_place
from nemo_runspec.importing.recording import known_version, record_import
from nemotron.cli.app import App, output_mode
from nemotron.cli.imports.reports import report_import
from nemotron.cli.imports.targets import ImportTarget

_DATA_IMPORTS = "nemotron_data_prep.importing"


def run_import(app: App, target: ImportTarget, values: Mapping[str, Any]) -> None:
    """Import data or a model.

    Args:
        app: The invocation.
        target: What the command imports.
        values: The parameters of its click command.

    Raises:
        UsageError: The request is wrong: another file was given, or a number is missing.
        DataError: The data cannot be used; the file and the place in it are named.
        ArtifactError: The model cannot be used, or the store refused.
        MissingDependencyError: Data preparation is not installed.
    """
    settings = _settings(app, values["root"])
    described = _describe(target, values)
    described = _noting_known(described, settings)
    logged = record_import(
        described,
        source=existing_place(values["path"]),
        name=values["name"] or target.usual_name,
        settings=settings,
    )
    report_import(app, output_mode(values), described, logged)


def _describe(target: ImportTarget, values: Mapping[str, Any]) -> Description:
    if target.subject == "model":
        return describe_checkpoint(values["path"], step=values["step"])
    # What checks data needs Arrow and NumPy, so it belongs to an optional distribution.
    importing = require(_DATA_IMPORTS, wanted=f"nemotron {' '.join(target.words)}")
    describe: Callable[..., Description] = getattr(importing, f"describe_{target.stage}_data")
    asked = {"pack_size": values["pack_size"]} if "pack_size" in values else {}
    return describe(values["path"], **asked)


def _noting_known(described: Description, settings: TrackingSettings) -> Description:
    """Note that a folder is recorded already, with a history that an import does not have."""
    if described.recorded_ref is None:
        return described
    known = known_version(described.recorded_ref, Path(str(described.artifact.path)), settings)
    if known is None:
        return described
    note = f"This store has it as {known} already, with the history that an import lacks."
    return replace(described, notes=(*described.notes, note))


def _settings(app: App, root: str | None) -> TrackingSettings:
    settings = environment_settings()
    chosen = root or settings.root or str(app.cwd / EMBEDDED_ROOT)
    return replace(settings, root=chosen)
