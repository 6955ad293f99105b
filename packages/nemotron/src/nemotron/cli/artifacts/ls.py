"""``nemotron artifacts ls``: artifacts, or the versions of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nemo_runspec.amounts import show_size
from nemo_runspec.artifacts.reference import ArtifactReference
from nemo_runspec.errors import ArtifactNotFoundError
from nemo_runspec.manifest_tracker import Manifest, ManifestTracker
from nemo_runspec.manifest_tracker.survey import (
    AliasRecord,
    NameRecord,
    NameSummary,
    VersionRecord,
    summarize_store,
    survey_name,
)
from nemotron.cli.app import App, output_mode
from nemotron.cli.artifacts.store import Store
from nemotron.cli.panels import Panel, Row
from nemotron.cli.tables import table_rows
from nemotron.cli.values import show_age

_NAME_HEADS = ("Latest", "Of", "Recorded", "Size", "Type", "Aliases")
_VERSION_HEADS = ("Version", "Recorded", "Size", "Aliases", "Note")


def run(app: App, values: Mapping[str, Any]) -> int:
    """List every artifact with its latest version, or every version of one artifact."""
    tracker = Store(app, values["root"]).tracker
    mode = output_mode(values)
    if values["reference"] is None:
        with app.waiting(f"Reading {tracker.root}"):
            names = summarize_store(tracker)
        documents = [_name_document(each) for each in names]
        refs = [each.name for each in names]
        panel = Panel(f"Artifacts in {tracker.root}", _name_rows(names), fill=False)
    else:
        with app.waiting(f"Reading {tracker.root}"):
            record = _survey(tracker, values["reference"])
        documents = [_version_document(each, record) for each in record.versions]
        refs = [each.ref for each in record.versions]
        title = f"Versions of {record.name} in {tracker.root}"
        panel = Panel(title, _version_rows(record), fill=False)
    if mode == "json":
        app.document(documents)
    elif mode == "quiet":
        app.write("".join(f"{ref}\n" for ref in refs))
    else:
        app.panel(panel)
    return 0


def _survey(tracker: ManifestTracker, reference: str) -> NameRecord:
    name = ArtifactReference.parse(reference).name
    record = survey_name(tracker, name)
    if record.problem is not None:
        raise ArtifactNotFoundError(
            f"The versions of {name!r} cannot be listed.", where=tracker.root, hint=record.problem
        )
    if not record.versions:
        tracker.latest_version(name)
    return record


def _name_rows(names: list[NameSummary]) -> list[Row]:
    lines = [_name_line(each, each.latest) for each in names if each.latest is not None]
    rows = table_rows(_NAME_HEADS, lines) if lines else []
    rows += [(each.name, each.problem) for each in names if each.problem is not None]
    return rows or ["None yet."]


def _name_line(summary: NameSummary, latest: Manifest) -> list[str]:
    return [
        latest.ref,
        f"{summary.count:,}",
        show_age(latest.created_at),
        _size(latest),
        latest.type,
        ", ".join(map(_alias_text, summary.aliases)),
    ]


def _version_rows(record: NameRecord) -> list[Row]:
    lines = [
        _version_line(each, each.manifest, _aliases_of(record.aliases, each.version))
        for each in record.versions
        if each.manifest is not None
    ]
    rows = table_rows(_VERSION_HEADS, lines) if lines else []
    rows += [(each.ref, each.problem) for each in record.versions if each.problem is not None]
    dangling = (each for each in record.aliases if each.problem)
    return rows + [(f"{record.name}:{each.alias}", each.problem or "") for each in dangling]


def _version_line(record: VersionRecord, manifest: Manifest, aliases: list[str]) -> list[str]:
    withdrawal = record.withdrawal
    note = "" if withdrawal is None else f"withdrawn: {withdrawal.reason}"
    return [
        record.ref,
        show_age(manifest.created_at),
        _size(manifest),
        ", ".join(aliases),
        note,
    ]


def _aliases_of(aliases: Iterable[AliasRecord], version: int) -> list[str]:
    return [each.alias for each in aliases if each.version == version]


def _alias_text(alias: AliasRecord) -> str:
    return f"{alias.alias} ({alias.problem or f'v{alias.version}'})"


def _size(manifest: Manifest) -> str:
    return "" if manifest.content is None else show_size(manifest.content.bytes)


def _name_document(summary: NameSummary) -> dict[str, Any]:
    return {
        "name": summary.name,
        "versions": summary.count,
        **_manifest_document(summary.latest),
        "aliases": {each.alias: each.version for each in summary.aliases},
        "problem": summary.problem,
    }


def _version_document(record: VersionRecord, name: NameRecord) -> dict[str, Any]:
    withdrawal = record.withdrawal
    return {
        "name": record.name,
        **_manifest_document(record.manifest),
        "ref": record.ref,
        "version": record.version,
        "aliases": _aliases_of(name.aliases, record.version),
        "withdrawn": None if withdrawal is None else withdrawal.model_dump(mode="json"),
        "problem": record.problem,
    }


def _manifest_document(manifest: Manifest | None) -> dict[str, Any]:
    content = manifest.content if manifest else None
    return {
        "ref": manifest.ref if manifest else None,
        "version": manifest.version if manifest else None,
        "type": manifest.type if manifest else None,
        "kind": manifest.kind if manifest else None,
        "path": manifest.path if manifest else None,
        "created_at": manifest.created_at.isoformat() if manifest else None,
        "producer": manifest.producer if manifest else None,
        "size_bytes": content.bytes if content else None,
        "files": content.files if content else None,
    }
