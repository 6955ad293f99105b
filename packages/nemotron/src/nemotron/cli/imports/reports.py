"""How an import is reported: a panel, one JSON document, or the reference alone."""

from __future__ import annotations

from typing import Any

from nemo_runspec.artifacts.tracker import LoggedArtifact
from nemo_runspec.importing.description import Description
from nemotron.cli.app import App, OutputMode
from nemotron.cli.panels import Panel, Row
from nemotron.cli.values import show_row

_STARTS = "starts a new lineage chain"


def report_import(
    app: App, mode: OutputMode, described: Description, logged: LoggedArtifact
) -> None:
    """Report what was imported.

    Args:
        app: The invocation.
        mode: How.
        described: What was found.
        logged: What was recorded, or found recorded already.
    """
    if mode == "json":
        app.document(_document(described, logged))
    elif mode == "quiet":
        app.write(f"{logged.ref}\n")
    else:
        app.panel(Panel(f"Imported ({logged.name})", _rows(described, logged), gap=1, fill=False))


def _document(described: Description, logged: LoggedArtifact) -> dict[str, Any]:
    artifact = described.artifact
    return {
        "status": "unchanged" if logged.reused else "imported",
        "ref": logged.ref,
        "type": artifact.type,
        "path": str(artifact.path),
        "fields": artifact.typed_fields(),
        "metadata": artifact.metadata,
        "lineage": _STARTS,
        "reused": logged.reused,
        "manifest": logged.manifest_path,
        "notes": list(described.notes),
    }


def _rows(described: Description, logged: LoggedArtifact) -> list[Row]:
    artifact = described.artifact
    rows: list[Row] = [
        ("Artifact:", logged.ref),
        ("Type:", f"{artifact.type} ({artifact.kind})"),
        ("Path:", str(artifact.path)),
    ]
    if logged.reused:
        rows.append(("Import:", "nothing changed since this version was recorded"))
    fields = artifact.typed_fields().items()
    shown = {key: value for key, value in fields if value is not None and value not in ([], {})}
    rows += [show_row(key, value) for key, value in shown.items()]
    rows.append(("Lineage:", _STARTS))
    rows += [("Note:", note) for note in described.notes]
    if logged.manifest_path:
        rows.append(("Manifest:", logged.manifest_path))
    return rows
