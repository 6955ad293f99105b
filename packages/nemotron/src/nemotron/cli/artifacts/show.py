"""``nemotron artifacts show``: one version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nemo_runspec.amounts import show_count, show_size
from nemo_runspec.json_values import json_value
from nemo_runspec.lineage.records import imported_from
from nemo_runspec.manifest_tracker import Content, Manifest, ManifestTracker
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.inputs import show_input
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Panel, Row
from nemotron.cli.values import show_time, show_value


def run(app: App, values: Mapping[str, Any]) -> int:
    """Show one version; as JSON, the manifest itself."""
    tracker = Store(app, values["root"]).tracker
    manifest = tracker.find(values["reference"])
    mode = output_mode(values)
    if mode == "json":
        app.document(json_value(tracker.read_document(manifest.name, manifest.version)))
    elif mode == "quiet":
        app.write(f"{manifest.ref}\n")
    else:
        location = tracker.manifest_location(manifest.name, manifest.version)
        rows = [
            *_state_rows(tracker, manifest),
            *_manifest_rows(manifest),
            ("Manifest:", location),
        ]
        app.panel(Panel(manifest.ref, rows, gap=1, fill=False))
    return 0


def _state_rows(tracker: ManifestTracker, manifest: Manifest) -> list[Row]:
    withdrawal = tracker.withdrawal(manifest.name, manifest.version)
    aliases = tracker.aliases(manifest.name)
    held = [alias for alias, version in aliases.items() if version == manifest.version]
    rows: list[Row] = []
    if withdrawal is not None:
        notice = f"{show_time(withdrawal.withdrawn_at)}: {withdrawal.reason}"
        rows.append(("Withdrawn:", notice))
    if held:
        rows.append(("Aliases:", ", ".join(held)))
    return rows


def _manifest_rows(manifest: Manifest) -> list[Row]:
    rows: list[Row] = [
        ("Type:", f"{manifest.type} ({manifest.kind})"),
        ("Path:", manifest.path),
        ("Created:", show_time(manifest.created_at)),
        ("Producer:", manifest.producer or "no recorded producer"),
    ]
    if manifest.content is not None:
        rows.append(("Content:", _content_text(manifest.content)))
    rows += [("Made from:", reference) for reference in manifest.used_artifacts]
    for uri in manifest.inputs:
        rows.append(("Input:", show_input(uri, manifest.input_revisions.get(uri))))
    rows += _provenance_rows(manifest.provenance)
    fields = {**manifest.metadata, **(manifest.fields or {})}
    known = {key: value for key, value in fields.items() if value not in (None, [], {})}
    return rows + [(f"{key}:", show_value(value)) for key, value in known.items()]


def _content_text(content: Content) -> str:
    parts = [show_count(content.files, "file"), show_size(content.bytes)]
    if content.path is not None:
        parts.append(f"in {content.path}")
    if content.digest is not None:
        parts.append(content.digest)
    return ", ".join(parts)


def _provenance_rows(provenance: dict[str, Any]) -> list[Row]:
    commit = provenance.get("git_commit")
    state = " with uncommitted changes" if provenance.get("git_dirty") else ""
    known = {
        "Imported from:": imported_from(provenance),
        "Recipe:": provenance.get("runspec"),
        "Config:": provenance.get("config"),
        "Commit:": f"{commit}{state}" if commit else None,
        "Config digest:": provenance.get("config_digest"),
        "Image:": provenance.get("image"),
    }
    return [(label, str(value)) for label, value in known.items() if value]
